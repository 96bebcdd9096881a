// A page's own script, type-checked against the packed package.
import { BerryVideo, type BerryVideoEventMap } from "berrymse";

const video = document.querySelector("berry-video");
if (video) {
  video.latency = "smooth";
  video.latency = 0.5;
  video.renderer = "webcodecs";
  video.addEventListener("delay", ({ detail }) => {
    const text: string = detail.delay === null ? "" : detail.delay.toFixed(0);
    document.title = `${text} ${detail.shown}`;
  });
  video.addEventListener("state", ({ detail }) => console.log(detail.tone === "trouble" ? detail.text : ""));
  const stated = ({ detail }: BerryVideoEventMap["state"]) => console.log(detail.seconds);
  video.addEventListener("state", stated);
  video.removeEventListener("state", stated);
  // @ts-expect-error that is a listener of another event
  video.removeEventListener("delay", stated);
  video.addEventListener("click", (event: MouseEvent) => event.preventDefault());
  video.snapshot("image/png").then((blob: Blob | null) => blob?.size);
  const old: boolean = video instanceof BerryVideo && (video.delay ?? 0) > 1000;
  if (old) video.live();
  video.lookBack(5);
  // @ts-expect-error there is no such renderer
  video.renderer = "webrtc";
  // @ts-expect-error it is read-only
  video.delay = 3;
}
