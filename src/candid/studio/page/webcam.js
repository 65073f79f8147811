// A webcam that records bursts: ten frames a second for as long as `record` is not stopped.
//
//   const camera = makeCamera(video);
//   await camera.start(deviceId)       throws an error whose message is for people
//   camera.record(take) → stop()       `take(blob, number)` for each frame, from 1

const FRAME_MS = 100;
const MOST_FRAMES = 300;
const QUALITY = 0.92;
const WIDTH = 960;
const REASONS = {
  NotAllowedError: "The browser has no permission to use the camera. Allow it, next to the address, and try again.",
  NotFoundError: "No camera was found. Connect one, or use a phone.",
  NotReadableError: "The camera is in use by another program. Close that, and try again.",
  OverconstrainedError: "This camera is no longer there. Choose another one.",
};

// → [{ id, name }]; names are known once a camera was allowed
export async function cameras() {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return all.filter(({ kind }) => kind === "videoinput").map(({ deviceId, label }, place) => ({ id: deviceId, name: label || `Camera ${place + 1}` }));
}

export function makeCamera(video, { onEnd = () => {} } = {}) {
  const canvas = document.createElement("canvas");
  let stream = null;
  let stopRecording = null;

  async function start(deviceId = "") {
    stop();
    try {
      if (!navigator.mediaDevices?.getUserMedia) throw new DOMException("", "NotFoundError");
      const device = deviceId ? { deviceId: { exact: deviceId } } : {};
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: WIDTH }, ...device } });
    } catch (error) {
      throw new Error(REASONS[error.name] ?? `The camera can’t be used (${error.name}).`);
    }
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => { stop(); onEnd(); });
    video.classList.toggle("mirrored", track.getSettings().facingMode !== "environment");
    video.srcObject = stream;
    await video.play();
    return track.getSettings().deviceId ?? "";
  }

  function stop() {
    stopRecording?.();
    stream?.getTracks().forEach((track) => track.stop());
    stream = video.srcObject = null;
  }

  function frame() {
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  }

  function record(take) {
    let isOn = true;
    stopRecording = () => { isOn = false; };
    const began = performance.now();
    const goOn = async () => {
      for (let number = 1; number === 1 || (isOn && number <= MOST_FRAMES); number++) { // a short press gives one
        if (!video.videoWidth) return;
        const blob = await frame();
        if (blob) take(blob, number);
        const wait = began + Math.ceil((performance.now() - began) / FRAME_MS) * FRAME_MS - performance.now();
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    };
    return { stop: stopRecording, done: goOn() };
  }

  return { start, stop, record, get isOn() { return stream !== null; } };
}
