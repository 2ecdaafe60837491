// The webcam, as a sequence of pictures.

/** Starts the camera; the result has `frames()` and `stop()`. */
export async function openCamera() {
    if (!navigator.mediaDevices) throw new Error("The camera needs https:// or localhost.");
    const wanted = { video: { facingMode: "environment", width: { ideal: 640 }, height: { ideal: 480 } } };
    const stream = await navigator.mediaDevices.getUserMedia(wanted);
    const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true, playsInline: true });
    let stopped = false;
    const stop = () => {
        stopped = true;
        stream.getTracks().forEach((track) => track.stop());
    };
    try {
        await video.play();
    } catch (error) {
        stop();
        throw error;
    }
    return {
        /** One picture after the other, always the newest: what the taker is too slow for is never seen. */
        async *frames() {
            while (!stopped) {
                yield await createImageBitmap(video);
                await new Promise(requestAnimationFrame);
            }
        },
        stop,
    };
}
