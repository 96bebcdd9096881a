/** Keeps the screen on while a video fills it, where the browser can: with TLS and on localhost. */

/** @type {WakeLockSentinel | null} */
let lock = null;
let isWanted = false;

/** @param {boolean} isAlways as in a kiosk */
export function keepScreenOn(isAlways) {
  if (!("wakeLock" in navigator)) return;
  const update = () => {
    isWanted = isAlways || document.fullscreenElement !== null;
    if (isWanted && !document.hidden) request();
    else if (!isWanted) lock?.release();
  };
  for (const type of ["fullscreenchange", "visibilitychange"]) document.addEventListener(type, update);
  update();
}

async function request() {
  if (lock && !lock.released) return;
  try {
    lock = await navigator.wakeLock.request("screen");
    if (!isWanted) lock.release();
  } catch {
    // The battery is low, or the page may not.
  }
}
