// A voice note from the microphone: in this page's memory, heard here, then sent as a chosen file is.
(() => {
  const KINDS = ["audio/ogg;codecs=opus", "audio/webm;codecs=opus", "audio/mp4;codecs=mp4a.40.2"];
  const BITS = 32000; // a second; ten minutes of speech are less than three megabytes
  const field = place => place.closest("form").elements.file;
  let recorder, recorded, address;

  // Parts of the place that belong to some of its states are hidden in every other.
  const show = (place, state) => {
    for (const part of place.querySelectorAll("[data-when]"))
      part.hidden = !part.dataset.when.split(" ").includes(state);
    place.closest("form").querySelector(".send").disabled = ["opening", "recording"].includes(state);
    place.querySelector("button:not([hidden] *, [hidden])").focus();
  };
  const put = (place, file) => {
    URL.revokeObjectURL(address);
    const files = new DataTransfer();
    if (file) files.items.add(file);
    recorded = file;
    field(place).files = files.files;
    field(place).dispatchEvent(new Event("change", {bubbles: true}));
    if (file) place.querySelector("audio").src = address = URL.createObjectURL(file);
  };
  const figures = (place, seconds) => {
    const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    return text.replace(/\d/g, digit => String.fromCodePoint(place.dataset.zero.codePointAt() + +digit));
  };

  const start = async place => {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({audio: true});
    } catch (refused) {
      return show(place, refused.name === "NotAllowedError" ? "refused" : "missing");
    }
    const silence = () => { for (const track of stream.getTracks()) track.stop(); };
    if (!place.isConnected || recorder?.state === "recording") return silence();
    put(place);
    const pieces = [];
    let began = 0; // when the first sound came: some microphones take a while
    recorder = new MediaRecorder(stream, {
      mimeType: KINDS.find(kind => MediaRecorder.isTypeSupported(kind)), audioBitsPerSecond: BITS,
    });
    const look = setInterval(() => {
      const seconds = began && Math.floor((Date.now() - began) / 1000);
      if (!place.isConnected || seconds >= +place.dataset.seconds) return recorder.stop();
      place.querySelector(".time").textContent = figures(place, seconds);
      document.dispatchEvent(new Event("recording")); // somebody is here
    }, 250);
    recorder.ondataavailable = event => {
      if (!event.data.size) return;
      pieces.push(event.data);
      if (began) return;
      began = Date.now();
      if (recorder.state === "recording") show(place, "recording");
    };
    recorder.onstop = () => {
      clearInterval(look);
      silence();
      if (!place.isConnected) return; // whoever left the page took it back
      if (!pieces.length) return show(place, "missing");
      put(place, new File(pieces, place.dataset.named));
      show(place, "recorded");
    };
    recorder.start(250);
    show(place, "opening");
  };

  document.addEventListener("click", event => {
    const button = event.target.closest("[data-records]"), place = button?.closest(".record");
    if (!place) return;
    if (button.dataset.records === "start") start(place);
    else if (button.dataset.records === "stop") recorder.stop();
    else { put(place); show(place, "idle"); }
  });
  document.addEventListener("change", event => { // another file was chosen instead
    const place = event.target.form?.querySelector(".record");
    if (place && recorded && event.target.files && event.target.files[0] !== recorded) {
      recorded = null;
      show(place, "idle");
    }
  });
  document.addEventListener("htmx:before:swap", event => {
    if (event.detail.ctx.target.id !== "page") return;
    recorded = null;
    URL.revokeObjectURL(address);
  });
})();
