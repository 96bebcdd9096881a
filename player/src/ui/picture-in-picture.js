/** Opens picture in picture. Loaded when somebody wants it: a click counts for seconds. */

/** After a switch of the renderer there is no frame for some milliseconds. */
const FRAME_TIMEOUT_MS = 1000;

/** @param {HTMLVideoElement} video */
export async function requestPictureInPicture(video) {
  if (!video.readyState) {
    await new Promise((resolve) => {
      video.addEventListener("loadedmetadata", resolve, { once: true });
      setTimeout(resolve, FRAME_TIMEOUT_MS);
    });
  }
  return video.requestPictureInPicture();
}
