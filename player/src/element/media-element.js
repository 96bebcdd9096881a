/**
 * Makes the element one that media controllers drive, such as media-chrome and Video.js: the properties and events of <video>,
 * read-only where live video has no more. Loaded by each element when it starts.
 *
 * The timeline has 0 where the element started, and its end is the present. While the person looks back, or pauses, currentTime is
 * behind it.
 */

/** Nearer to the present than this is live. */
const LIVE_SECONDS = 1;
/** HTMLMediaElement and MediaError. */
const [NOTHING, METADATA, CURRENT_DATA, ENOUGH_DATA] = [0, 1, 2, 4];
const [ERR_NETWORK, ERR_NOT_SUPPORTED] = [2, 4];
const [NETWORK_IDLE, NETWORK_LOADING] = [1, 2];
/** Key by which Video.js 10 gives its media elements their player, in the context protocol of web components. */
const PLAYER_CONTEXT = Symbol.for("@videojs/media");
/** Events of the <video> inside that are the element's, too. */
const PASSED_ON = ["enterpictureinpicture", "leavepictureinpicture"];

/** @typedef {import("./berry-video.js").BerryVideo} BerryVideo */
/** @typedef {import("../playback/player-state.js").PlayerState} PlayerState */

/** State of each element's media interface. @type {WeakMap<BerryVideo, MediaElement>} */
const all = new WeakMap();

export class MediaElement {
  #host;
  /** @type {PlayerState | null} */
  #state = null;
  #startedAt = performance.now();
  /** Time at which the person paused, seconds. @type {number | null} */
  #pausedAt = null;
  #isPaused = true;
  #hasFrame = false;
  #hasPlayer = false;
  #isWaiting = false;
  #window = 0;
  #message = "";
  /** @type {{width: number, height: number} | null} */
  #size = null;
  /** @type {IntersectionObserver | null} */
  #sight = null;
  #isInSight = true;
  #player;

  /**
   * @param {BerryVideo} host
   * @param {ShadowRoot} root
   * @param {() => import("../playback/player.js").Player | null | undefined} player
   */
  constructor(host, root, player) {
    this.#host = host;
    this.#player = player;
    this.#isPaused = host.paused;
    all.set(host, this);
    define(Object.getPrototypeOf(host));
    for (const type of PASSED_ON) root.addEventListener(type, () => this.#emit(type), true);
    host.addEventListener("resize", (event) => {
      this.#size = /** @type {any} */ (event).detail || null;
    });
    this.started();
  }

  dress() {}

  /** The element begins with a source. */
  started() {
    if (this.#hasFrame) this.#emit("emptied");
    this.#startedAt = performance.now();
    this.#pausedAt = this.#size = null;
    this.#hasFrame = this.#isWaiting = this.#hasPlayer = false;
    this.#window = 0;
    this.#emit("loadstart", "streamtypechange", "durationchange");
    this.watch();
    this.#findPlayer();
  }

  /** Has a Video.js 10 around the element take it. Its script may come later than this one. */
  #findPlayer() {
    if (this.#hasPlayer) return;
    const callback = (/** @type {{setMedia?: (media: object) => void}} */ player) => {
      if (!player?.setMedia) return;
      this.#hasPlayer = true;
      player.setMedia(this.#host);
    };
    const request = new Event("context-request", { bubbles: true, composed: true });
    this.#host.dispatchEvent(Object.assign(request, { context: PLAYER_CONTEXT, contextTarget: this.#host, callback }));
  }

  load() {
    this.#player()?.reset();
    this.started();
  }

  /** Rests while less of the element is in sight than its attribute says. */
  watch() {
    const share = parseFloat(String(this.#host.getAttribute("rest-below")));
    this.#sight?.disconnect();
    this.#sight = null;
    if (!(share > 0)) return this.#setInSight(true);
    this.#sight = new IntersectionObserver((entries) => {
      const seen = entries.at(-1)?.intersectionRatio ?? 0;
      this.#setInSight(seen > 0 && seen >= Math.min(share, 1) - 0.01);
    }, { threshold: [0, 0.01, Math.min(share, 1)] });
    this.#sight.observe(this.#host);
  }

  /** @param {boolean} isInSight @param {boolean} [isAgain] */
  #setInSight(isInSight, isAgain = false) {
    if (isInSight === this.#isInSight && !isAgain) return;
    this.#isInSight = isInSight;
    // Picture in picture is seen wherever the element is.
    const isOutside = this.#host.shadowRoot?.pictureInPictureElement;
    if (isInSight) this.#player()?.resume();
    else if (!isOutside) this.#player()?.suspend();
  }

  /** @param {...string} types */
  #emit(...types) {
    for (const type of types) this.#host.dispatchEvent(new Event(type));
  }

  /** @param {PlayerState} state several times a second */
  show(state) {
    this.#state = state;
    const { isFrozen, connection, canSeekBack, ageMs } = state;
    const isPaused = state.isPaused || state.isAutoplayBlocked;
    if (isPaused !== this.#isPaused) {
      if (isPaused) this.#pausedAt = this.now - state.behindLive;
      else this.#pausedAt = null;
      this.#isPaused = isPaused;
      this.#emit(isPaused ? "pause" : "play");
      if (!isPaused && this.#hasFrame && !this.#isWaiting) this.#emit("playing");
    }
    if (ageMs !== null && !this.#hasFrame) {
      this.#hasFrame = true;
      this.#findPlayer();
      this.#emit("loadedmetadata", "durationchange", "loadeddata", "canplay", "canplaythrough");
      if (!isPaused) this.#emit("playing");
    }
    const isWaiting = this.#hasFrame && !isPaused && (isFrozen || connection !== "open");
    if (isWaiting !== this.#isWaiting) {
      this.#isWaiting = isWaiting;
      this.#emit(isWaiting ? "waiting" : "playing");
    }
    const length = canSeekBack ? this.#host.lookback : 0;
    if (length !== this.#window) {
      this.#window = length;
      this.#emit("targetlivewindowchange", "seekablechange");
    }
    // A page that is shown again has all its players resume.
    if (!this.#isInSight && connection === "open") this.#setInSight(false, true);
    this.#message = state.unsupported !== null ? "unsupported" : state.error.message;
    if (this.#hasFrame) this.#emit("timeupdate", "progress");
  }

  /** The present on the timeline, seconds. */
  get now() {
    return (performance.now() - this.#startedAt) / 1000;
  }

  get time() {
    return this.#pausedAt ?? this.now - (this.#state?.behindLive ?? 0);
  }

  set time(wanted) {
    const ago = this.now - wanted;
    if (Number.isNaN(ago)) return;
    this.#pausedAt = null;
    this.#emit("seeking");
    if (ago < LIVE_SECONDS || this.#window === 0) this.#host.live();
    else this.#host.lookBack(Math.min(ago, this.#window));
    this.#emit("seeked", "timeupdate");
  }

  get range() {
    const now = this.now;
    return timeRanges(this.#hasFrame ? [[Math.max(now - this.#window, 0), now]] : []);
  }

  get window() {
    return this.#window;
  }

  get readyState() {
    if (!this.#hasFrame) return this.#size ? METADATA : NOTHING;
    return this.#isWaiting ? CURRENT_DATA : ENOUGH_DATA;
  }

  get networkState() {
    return this.#state?.connection === "open" ? NETWORK_LOADING : NETWORK_IDLE;
  }

  /** URL of the camera, whole. */
  get source() {
    return new URL(this.#host.src, document.baseURI).href;
  }

  get size() {
    const { videoWidth, videoHeight } = this.#host.video;
    return this.#size ?? { width: videoWidth, height: videoHeight };
  }

  get error() {
    if (!this.#message) return null;
    const isUnsupported = this.#state?.unsupported !== null;
    return { code: isUnsupported ? ERR_NOT_SUPPORTED : ERR_NETWORK, message: isUnsupported ? "This browser cannot play this video." : this.#message };
  }
}

/** @param {number[][]} ranges @returns {TimeRanges} */
function timeRanges(ranges) {
  const end = (/** @type {number} */ index, /** @type {number} */ side) => {
    if (!(index in ranges)) throw new DOMException(`no range ${index}`, "IndexSizeError");
    return ranges[index][side];
  };
  return { length: ranges.length, start: (index) => end(index, 0), end: (index) => end(index, 1) };
}

/** Getter and setter of each property. @type {Record<string, [(media: MediaElement) => any, ((media: MediaElement, value: any) => void)?]>} */
const PROPERTIES = {
  currentTime: [(media) => media.time, (media, value) => { media.time = Number(value); }],
  duration: [() => Infinity],
  seekable: [(media) => media.range],
  buffered: [(media) => media.range],
  seeking: [() => false],
  ended: [() => false],
  readyState: [(media) => media.readyState],
  networkState: [(media) => media.networkState],
  currentSrc: [(media) => media.source],
  videoWidth: [(media) => media.size.width],
  videoHeight: [(media) => media.size.height],
  error: [(media) => media.error],
  streamType: [() => "live"],
  targetLiveWindow: [(media) => media.window],
  liveEdgeStart: [(media) => media.now - LIVE_SECONDS],
  // The player's own changes of the rate keep the video live.
  playbackRate: [() => 1, () => {}],
  defaultPlaybackRate: [() => 1, () => {}],
  // There is no sound.
  muted: [() => true, () => {}],
  defaultMuted: [() => true],
  volume: [() => 1, () => {}],
};

/** Attributes without a property of the class. */
const REFLECTED = { poster: "poster", preload: "preload", restBelow: "rest-below" };

/** Puts the properties beside those of the class, once. @param {object} prototype */
function define(prototype) {
  if ("streamType" in prototype) return;
  for (const [name, [get, set]] of Object.entries(PROPERTIES)) {
    Object.defineProperty(prototype, name, {
      configurable: true,
      enumerable: true,
      /** @this {BerryVideo} */
      get() {
        const media = all.get(this);
        return media && get(media);
      },
      set: set && /** @type {(this: BerryVideo, value: any) => void} */ (function (value) {
        const media = all.get(this);
        if (media) set(media, value);
      }),
    });
  }
  for (const [name, attribute] of Object.entries(REFLECTED)) {
    Object.defineProperty(prototype, name, {
      configurable: true,
      enumerable: true,
      /** @this {BerryVideo} */
      get() {
        return this.getAttribute(attribute) ?? "";
      },
      set: /** @type {(this: BerryVideo, value: any) => void} */ (function (value) {
        this.setAttribute(attribute, String(value));
      }),
    });
  }
  Object.defineProperty(prototype, "load", { configurable: true, value: load });
}

/** @this {BerryVideo} */
function load() {
  all.get(this)?.load();
}
