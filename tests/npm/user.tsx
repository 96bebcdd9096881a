// A React component, type-checked against the packed package.
import "berrymse";
import type { BerryVideo } from "berrymse";
import type {} from "berrymse/react";
import { useRef } from "react";

export function Camera({ url }: { url: string }) {
  const video = useRef<BerryVideo>(null);
  return (
    <figure onClick={() => video.current?.live()}>
      <berry-video ref={video} src={url} controls showDelay latency="smooth" lookback={30} style={{ width: "100%" }}>
        <p>Front door</p>
      </berry-video>
    </figure>
  );
}

// @ts-expect-error latency is a number of seconds or one of two words
export const wrong = <berry-video latency="fast" />;
