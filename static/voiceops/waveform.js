// Both sides of a recording as a picture, computed here: loudness over time, a click seeks.
(function () {
  "use strict";
  const BUCKETS = 300;
  const RATE = 8000; // enough for speech, and an hour of it fits into memory
  const MAX_SECONDS = 3600;
  const HALF = 50; // of the picture's height, for each side
  const figure = document.querySelector("[data-waveform]");
  const player = document.querySelector("audio[data-player]");
  if (!figure || !player || !window.OfflineAudioContext) return;

  function peaks(samples) {
    const step = Math.max(1, Math.floor(samples.length / BUCKETS));
    const found = [];
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      let peak = 0;
      const end = Math.min((bucket + 1) * step, samples.length);
      for (let at = bucket * step; at < end; at += 1) peak = Math.max(peak, Math.abs(samples[at]));
      found.push(peak);
    }
    return found;
  }

  // One upright line for each bucket, around the middle of its side.
  function draw(path, values, middle, loudest) {
    const lines = values.map((value, index) => {
      const size = Math.max(1, (value / loudest) * (HALF - 4));
      return `M${index} ${(middle - size / 2).toFixed(1)}v${size.toFixed(1)}`;
    });
    path.setAttribute("d", lines.join(""));
  }

  async function show() {
    const answer = await fetch(player.currentSrc || player.src);
    if (!answer.ok) return;
    const context = new OfflineAudioContext(2, 1, RATE);
    const audio = await context.decodeAudioData(await answer.arrayBuffer());
    const sides = [...Array(Math.min(2, audio.numberOfChannels)).keys()];
    const values = sides.map((side) => peaks(audio.getChannelData(side)));
    const loudest = Math.max(0.01, ...values.flat());
    const paths = figure.querySelectorAll("path");
    const middles = sides.length === 2 ? [HALF / 2, HALF * 1.5] : [HALF];
    sides.forEach((side) => draw(paths[side], values[side], middles[side], loudest));
    figure.querySelector("[data-sides]").hidden = sides.length < 2;
    figure.dataset.seconds = String(audio.duration);
    figure.hidden = false;
    follow();
  }

  function follow() {
    const share = player.currentTime / (Number(figure.dataset.seconds) || player.duration || 1);
    figure.querySelector("line").setAttribute("transform", `translate(${share * BUCKETS} 0)`);
  }

  figure.querySelector("svg").addEventListener("click", (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    player.currentTime = ((event.clientX - box.left) / box.width) * Number(figure.dataset.seconds);
    player.play();
  });
  player.addEventListener("timeupdate", follow);
  player.addEventListener("seeked", follow);

  // Without the picture the player works as before: storage elsewhere may not allow a fetch.
  function start() {
    if (player.duration <= MAX_SECONDS) show().catch(() => {});
  }
  if (player.readyState >= 1) start();
  else player.addEventListener("loadedmetadata", start, { once: true });
})();
