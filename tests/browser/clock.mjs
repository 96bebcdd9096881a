/**
 * The clock in the test pattern: what a page needs to read it out of a <video>, and what tests do with the readings.
 * 48 blocks of 16 x 16 pixels from (16, 16) on, 12 in a row, white is 1: 1010, 32 bits of milliseconds of Unix time
 * modulo 2^32, CRC-8 of their bytes (polynomial 7), 0101.
 */

/**
 * To be run in a page before its scripts (`page.before`): from then on `clock.of(video)` is the milliseconds
 * in the picture shown, or null; `clock.watch(video)` collects the delay of every picture in `clock.delays`; `clock.keep(element)` gives
 * a list of what is seen in a <berry-video>, which grows: each picture's milliseconds (`made`), and when it was seen first (`at`).
 */
export function installClock() {
  const BLOCK = 16;
  const COLUMNS = 12;
  const canvas = document.createElement("canvas");
  canvas.width = BLOCK * COLUMNS;
  canvas.height = BLOCK * 4;
  const context = canvas.getContext("2d", { willReadFrequently: true });

  function bits(video) {
    const { width, height } = canvas;
    context.drawImage(video, BLOCK, BLOCK, width, height, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    return Array.from({ length: 48 }, (_, i) => {
      const x = (i % COLUMNS) * BLOCK + BLOCK / 2;
      const y = Math.floor(i / COLUMNS) * BLOCK + BLOCK / 2;
      return data[(y * width + x) * 4 + 1] > 127 ? 1 : 0;
    });
  }

  const number = (list) => list.reduce((sum, bit) => sum * 2 + bit, 0);

  /** Polynomial division bit by bit, as the definition of a CRC has it. */
  function crc8(list) {
    let crc = 0;
    for (const bit of list) {
      const carry = (crc >> 7) ^ bit;
      crc = ((crc << 1) & 0xff) ^ (carry ? 7 : 0);
    }
    return crc;
  }

  function decode(all) {
    const isFramed = all.slice(0, 4).join("") === "1010" && all.slice(44).join("") === "0101";
    const time = all.slice(4, 36);
    return isFramed && crc8(time) === number(all.slice(36, 44)) ? number(time) : null;
  }

  function of(video) {
    return !video || video.readyState < 2 ? null : decode(bits(video));
  }

  const luma = new Uint8Array(BLOCK * COLUMNS * BLOCK * 4 * 2);

  /** As `of`, but without a canvas, which costs Chromium's renderer memory for each picture looked at. */
  async function ofLuma(video) {
    const frame = new VideoFrame(video);
    const rect = { x: BLOCK, y: BLOCK, width: BLOCK * COLUMNS, height: BLOCK * 4 };
    try {
      const [{ offset, stride }] = await frame.copyTo(luma, { rect });
      return decode(Array.from({ length: 48 }, (_, i) => {
        const x = (i % COLUMNS) * BLOCK + BLOCK / 2;
        const y = Math.floor(i / COLUMNS) * BLOCK + BLOCK / 2;
        return luma[offset + y * stride + x] > 127 ? 1 : 0;
      }));
    } finally {
      frame.close();
    }
  }

  /** What is seen in a <berry-video>: while one way of showing pictures follows another a still lies over the <video>. */
  function seen(element) {
    return of([...element.shadowRoot.querySelectorAll(".video")].at(-1));
  }

  function keep(element) {
    const pictures = [];
    const look = () => {
      setTimeout(look, 10);
      const made = seen(element);
      if (made !== null && made !== pictures.at(-1)?.made) pictures.push({ made, at: Date.now() });
    };
    look();
    return pictures;
  }

  const delays = [];
  // Tests shift what the page believes.
  const { timeOrigin } = performance;

  function watch(video) {
    const shown = (_, { presentationTime }) => {
      video.requestVideoFrameCallback(shown);
      const made = of(video);
      if (made === null) return;
      const at = (timeOrigin + presentationTime) % 2 ** 32;
      delays.push(at - made);
    };
    video.requestVideoFrameCallback(shown);
  }

  window.clock = { of, ofLuma, seen, keep, watch, delays };
}

/** @param {number[]} values */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

/** True when the video in the page shows pictures with a clock that goes. Runs in the page. */
export async function isLive(selector) {
  const found = document.querySelector(selector);
  const read = () => (found?.shadowRoot ? clock.seen(found) : clock.of(found));
  const before = read();
  if (before === null) return false;
  await new Promise((resolve) => setTimeout(resolve, 250));
  const now = read();
  return now > before && (Date.now() % 2 ** 32) - now < 1000;
}

/** Runs in a page before its scripts: WebCodecs have no track to show their pictures in, so "auto" takes Media Source Extensions. */
export function noTracks() {
  delete globalThis.MediaStreamTrackGenerator;
}

/** Runs in the page: whether WebCodecs show the picture. */
export function isByCodecs() {
  return document.querySelector("berry-video").video.srcObject !== null;
}
