// Camera of this machine, on only while the viewfinder is shown.

import { byId } from "./dom.js";

const REASONS = {
  NotAllowedError: "The browser has no permission to use the camera. Allow it and try again.",
  NotFoundError: "No camera was found.",
  NotReadableError: "The camera is in use by another program.",
};

// Calls `take` with a file per photo, and `tell` with an error message.
export function listen({ take, tell }) {
  if (!navigator.mediaDevices?.getUserMedia) return; // unavailable over plain HTTP, except on localhost
  let stream = null;
  let number = 0;
  const video = byId("video");
  const show = (isOn) => {
    byId("viewfinder").hidden = !isOn;
    byId("drop").hidden = isOn;
  };
  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = video.srcObject = null;
    show(false);
  };
  const start = async () => {
    byId("camera").disabled = true;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } } });
      stream.getTracks().forEach((track) => track.addEventListener("ended", stop));
      video.srcObject = stream;
      show(true);
      await video.play();
      byId("shoot").focus();
    } catch (error) {
      stop();
      tell(REASONS[error.name] ?? `The camera can’t be used (${error.name}).`);
    } finally {
      byId("camera").disabled = false;
    }
  };
  byId("camera").hidden = false;
  byId("camera").addEventListener("click", start);
  byId("shoot").addEventListener("click", async () => {
    if (video.videoWidth) take([await photograph(video, `camera ${++number}.png`)]);
  });
  byId("stop").addEventListener("click", () => {
    stop();
    byId("camera").focus();
  });
  addEventListener("pagehide", stop);
}

function photograph(video, name) {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => {
    canvas.toBlob((blob) => resolve(new File([blob], name, { type: "image/png" })), "image/png");
  });
}
