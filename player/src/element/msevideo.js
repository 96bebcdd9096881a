/**
 * Page script of the 2022 program. It plays the server's first camera in the page's first <video> and connects
 * the buttons #play-button, #auto-skip-button and #reset-button, as far as the page has them.
 * A classic script; what plays is the same as in <berry-video>. For new pages use that: berrymse.js.
 */
(function () {
  "use strict";

  // Only known while the script runs, hence up here.
  const scriptUrl = document.currentScript ? document.currentScript.src : location.href;

  async function start() {
    const video = document.querySelector("video");
    if (!video) {
      console.error("msevideo.js: this page has no video element");
      return;
    }
    const { Player, socketUrl } = await import(new URL("berrymse.js", scriptUrl).href);
    const player = new Player(video, socketUrl("video_websocket", scriptUrl));
    player.start();
    connectButtons(video, player);
  }

  function connectButtons(video, player) {
    const play = document.getElementById("play-button");
    onClick(play, function () {
      if (player.isPaused) player.play();
      else player.pause();
    });
    // The video can also be paused by the browser's own controls.
    function label() {
      if (play) play.textContent = player.isPaused ? "Play" : "Pause";
    }
    video.addEventListener("play", label);
    video.addEventListener("pause", label);

    const autoSkip = document.getElementById("auto-skip-button");
    onClick(autoSkip, function () {
      player.autoSkip = !player.autoSkip;
      autoSkip.textContent = player.autoSkip ? "Auto Skip Enabled" : "Auto Skip Disabled";
    });
    onClick(document.getElementById("reset-button"), function () {
      player.reset();
    });
  }

  function onClick(button, action) {
    if (button) button.addEventListener("click", action);
  }

  function run() {
    start().catch(function (error) {
      console.error("msevideo.js:", error);
    });
  }

  if (document.readyState === "complete") run();
  else addEventListener("load", run);
})();
