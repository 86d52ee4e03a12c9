import { effect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { picture } from "../app/state.ts";
import { type Camera, camera } from "./camera.ts";
import { heat, isMapShown, opacity, ratio, ratioOfBrowser } from "./state.ts";

/** The picture, or the camera, with the class activation map over it. */
export function Stage() {
  const given = picture.value;
  if (camera.value)
    return (
      <Framed>
        <Live camera={camera.value} />
      </Framed>
    );
  if (given)
    return (
      <Framed>
        <Picture key={given.file} file={given.file} name={given.name} />
      </Framed>
    );
  return null;
}

function Framed({ children }: { readonly children: preact.ComponentChildren }) {
  return (
    <div class="stage">
      <div class="picture" style={{ "--ratio": ratio.value }}>
        {children}
        <HeatLayer />
      </div>
    </div>
  );
}

function Live({ camera }: { readonly camera: Camera }) {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => void camera.attach(video.current!), [camera]);
  return (
    <video
      ref={video}
      muted
      playsInline
      aria-label="The camera"
      onResize={({ currentTarget: { videoWidth, videoHeight } }) => (ratioOfBrowser.value = videoWidth / videoHeight)}
    />
  );
}

function Picture({ file, name }: { readonly file: Blob; readonly name: string }) {
  const url = useMemo(() => URL.createObjectURL(file), [file]);
  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  return (
    <img
      src={url}
      alt={name}
      decoding="async"
      onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) =>
        (ratioOfBrowser.value = naturalWidth / naturalHeight)
      }
    />
  );
}

/** Opaque in the canvas: the browser mixes it with the picture, as `overlayCam` would. */
function HeatLayer() {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(
    () =>
      effect(() => {
        const found = heat.value;
        if (!found || !canvas.current) return;
        const { width, height, rgba } = found;
        Object.assign(canvas.current, { width, height });
        const image = new ImageData(new Uint8ClampedArray(rgba), width, height);
        canvas.current.getContext("2d")!.putImageData(image, 0, 0);
      }),
    [],
  );
  const isShown = isMapShown.value && heat.value !== undefined;
  return <canvas ref={canvas} class="heat" style={{ opacity: isShown ? opacity.value : 0 }} />;
}
