/** Types of the package: those of the scripts, and what a page's HTML and events are. */

import type { BerryVideo } from "./types/element/berry-video.js";

export { BerryVideo } from "./types/element/berry-video.js";

/** The element's own events; `detail` is described at the top of src/element/berry-video.js. */
export interface BerryVideoEventMap {
  delay: CustomEvent<{ delay: number | null; shown: number }>;
  state: CustomEvent<{ tone: "live" | "behind" | "late" | "paused" | "busy" | "trouble"; text: string; seconds?: number }>;
  error: CustomEvent<{ code: string; message: string }>;
  resize: CustomEvent<{ width: number; height: number }>;
}

declare module "./types/element/berry-video.js" {
  interface BerryVideo {
    currentTime: number;
    readonly duration: number;
    readonly seekable: TimeRanges;
    readonly buffered: TimeRanges;
    readonly seeking: boolean;
    readonly ended: boolean;
    readonly readyState: number;
    readonly networkState: number;
    readonly currentSrc: string;
    readonly videoWidth: number;
    readonly videoHeight: number;
    readonly error: { code: number; message: string } | null;
    readonly streamType: "live";
    readonly targetLiveWindow: number;
    readonly liveEdgeStart: number;
    playbackRate: number;
    poster: string;
    preload: string;
    restBelow: string;
    muted: boolean;
    volume: number;
    load(): void;
    addEventListener<Name extends keyof BerryVideoEventMap>(
      name: Name,
      listener: (this: BerryVideo, event: BerryVideoEventMap[Name]) => void,
      options?: boolean | AddEventListenerOptions,
    ): void;
    addEventListener<Name extends Exclude<keyof HTMLElementEventMap, keyof BerryVideoEventMap>>(
      name: Name,
      listener: (this: BerryVideo, event: HTMLElementEventMap[Name]) => void,
      options?: boolean | AddEventListenerOptions,
    ): void;
    addEventListener(
      name: string,
      listener: EventListenerOrEventListenerObject | null,
      options?: boolean | AddEventListenerOptions,
    ): void;
    removeEventListener<Name extends keyof BerryVideoEventMap>(
      name: Name,
      listener: (this: BerryVideo, event: BerryVideoEventMap[Name]) => void,
      options?: boolean | EventListenerOptions,
    ): void;
    removeEventListener<Name extends Exclude<keyof HTMLElementEventMap, keyof BerryVideoEventMap>>(
      name: Name,
      listener: (this: BerryVideo, event: HTMLElementEventMap[Name]) => void,
      options?: boolean | EventListenerOptions,
    ): void;
    removeEventListener(
      name: string,
      listener: EventListenerOrEventListenerObject | null,
      options?: boolean | EventListenerOptions,
    ): void;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "berry-video": BerryVideo;
  }
}
