/**
 * Offers the interface of the 2022 program to pages that have their own <video>:
 * BerryMSE.initialize(video, url, autoSkipButton, resetButton). A classic script; what plays is the same as
 * in <berry-video>. For new pages use that: berrymse.js.
 */
(function () {
  "use strict";

  // Only known while the script runs, hence up here.
  const scriptUrl = document.currentScript ? document.currentScript.src : location.href;
  const DEFAULT_SOCKET = "video_websocket";

  /**
   * @param {HTMLVideoElement} video
   * @param {string | null} wsTargetUrl WebSocket of the camera; none: that of the server this script is from
   * @param {HTMLElement} [autoSkipButton] switches staying live off and on
   * @param {HTMLElement} [resetButton] starts the player again
   */
  function initialize(video, wsTargetUrl, autoSkipButton, resetButton) {
    if (!video) {
      console.error("BerryMSE.initialize: there is no video element");
      return;
    }
    const starting = start(video, wsTargetUrl).catch(function (error) {
      console.error("BerryMSE:", error);
    });

    let isSkipping = true;
    if (autoSkipButton) {
      autoSkipButton.textContent = "Disable Auto Skip";
      autoSkipButton.addEventListener("click", async function () {
        isSkipping = !isSkipping;
        autoSkipButton.textContent = isSkipping ? "Disable Auto Skip" : "Enable Auto Skip";
        (await starting).autoSkip = isSkipping;
      });
    }
    if (resetButton) {
      resetButton.textContent = "Reset";
      resetButton.addEventListener("click", async function () {
        (await starting).reset();
      });
    }
  }

  async function start(video, wsTargetUrl) {
    const { Player, socketUrl } = await import(new URL("berrymse.js", scriptUrl).href);
    const url = wsTargetUrl ? socketUrl(wsTargetUrl, location.href) : socketUrl(DEFAULT_SOCKET, scriptUrl);
    const player = new Player(video, url);
    player.start();
    return player;
  }

  window.BerryMSE = { initialize };
})();
