/** Types that the renderers share. */

/**
 * @typedef {{start: number, end: number, keyframe: number}} Range seconds of the element's timeline
 * @typedef {import("../net/mp4.js").Init} Init
 * @typedef {import("../net/mp4.js").Fragment & {captured: number | null}} Fragment `captured`: milliseconds of the server's clock
 * @typedef {{mediaTime: number, presentationTime: number, expectedDisplayTime?: number}} ShownFrame seconds on the element's timeline, milliseconds
 */

/**
 * @typedef {object} Renderer what decodes and shows: MseRenderer (Media Source Extensions), WebCodecsRenderer (WebCodecs), or RendererSwitch
 * @property {number} frameSeconds duration of the newest frame
 * @property {number} keepSeconds of played media to keep, where there is a timeline
 * @property {import("./capture-time-map.js").CaptureTimeMap} captureTimes
 * @property {Range | null} range what is buffered; null: nothing, or this renderer shows each frame at once
 * @property {HTMLVideoElement | HTMLCanvasElement} surface where the frames are seen
 * @property {Init | null} init the newest
 * @property {boolean} isWaiting for a keyframe
 * @property {boolean} isSeekable false: after a seek to the newest frames nothing would be decoded before the next keyframe
 * @property {number=} reorderSeconds that frames wait for those before them
 * @property {(init: Init) => boolean} canPlay
 * @property {(message: Init | Fragment) => void} push
 * @property {(tries: number) => void} rebuild
 * @property {() => void} close
 * @property {((isFrozen: boolean) => boolean)=} freeze keeps what is shown; returns true if the video element need not be paused
 * @property {import("./renderer-switch.js").RendererSwitch["selectRenderer"]} [selectRenderer]
 * @property {import("./renderer-switch.js").RendererSwitch["seekBack"]} [seekBack]
 */

/**
 * @typedef {object} Listener
 * @property {() => void} appended
 * @property {(reason: string) => void} failed
 * @property {(frame: ShownFrame) => void} shown
 * @property {(width: number, height: number) => void} resized
 * @property {() => void} [ready] there is a frame to show
 * @property {(init: import("../net/mp4.js").Init) => void} [codecRejected] the browser cannot decode it
 * @property {() => void} [keyframeMissing] there is no keyframe to begin with; a new join brings one
 */

export {};
