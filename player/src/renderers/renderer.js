/** Types that the renderers share. */

/**
 * @typedef {{start: number, end: number, keyframe: number}} Range seconds of the element's timeline
 * @typedef {import("../net/mp4.js").Init} Init
 * @typedef {import("../net/mp4.js").Fragment & {captured: number | null}} Fragment `captured`: milliseconds of the server's clock
 * @typedef {{mediaTime: number, presentationTime: number, expectedDisplayTime?: number}} ShownFrame seconds on the element's timeline, milliseconds
 */

/**
 * @typedef {object} Renderer what decodes and shows: MseRenderer (Media Source Extensions), WebCodecsRenderer (WebCodecs), or RendererSwitch
 * @property {number} frameSeconds the duration of the newest picture
 * @property {number} keepSeconds of the past, where there is one
 * @property {import("./capture-time-map.js").CaptureTimeMap} captureTimes
 * @property {Range | null} range what is buffered; null: nothing, or this renderer shows each picture at once
 * @property {HTMLVideoElement | HTMLCanvasElement} surface what the pictures are seen in
 * @property {Init | null} init the newest
 * @property {boolean} isWaiting for a keyframe
 * @property {boolean} isSeekable false: after a seek to the newest frames nothing would be decoded before the next keyframe
 * @property {number=} reorderSeconds for which frames wait until those before them are there
 * @property {(init: Init) => boolean} canPlay
 * @property {(message: Init | Fragment) => void} push
 * @property {(tries: number) => void} rebuild
 * @property {() => void} close
 * @property {((isFrozen: boolean) => boolean)=} freeze what is shown stays; true: that is all, because it is not the video element that plays
 * @property {import("./renderer-switch.js").RendererSwitch["selectRenderer"]} [selectRenderer]
 * @property {import("./renderer-switch.js").RendererSwitch["seekBack"]} [seekBack]
 */

/**
 * @typedef {object} Listener
 * @property {() => void} appended
 * @property {(reason: string) => void} failed
 * @property {(picture: ShownFrame) => void} shown
 * @property {(width: number, height: number) => void} resized
 * @property {() => void} [ready] there is a picture to be shown
 * @property {(init: import("../net/mp4.js").Init) => void} [codecRejected] the browser can show it in no way
 * @property {() => void} [keyframeMissing] there is no keyframe to begin with: who joins anew is given one
 */

export {};
