// A recording beside its transcript: a turn seeks, the one that is spoken is lit, keys and speed.
(() => {
  "use strict";
  const SKIP_SECONDS = 5;
  const player = () => document.querySelector("audio[data-player]");

  // Looked up each time: the transcript of a call that goes on is replaced.
  function light() {
    const turns = [...document.querySelectorAll("[data-seek]")];
    const now = player().currentTime + 0.05;
    const current = turns.filter((turn) => Number(turn.dataset.seek) <= now).pop();
    turns.forEach((turn) => turn.classList.toggle("lit", turn === current));
  }

  document.addEventListener("click", (event) => {
    const seek = event.target.closest("[data-seek]");
    if (!seek || !player()) return;
    player().currentTime = Number(seek.dataset.seek);
    player().play();
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-speed]")) player().playbackRate = Number(event.target.value);
  });

  const KEYS = {
    " ": () => (player().paused ? player().play() : player().pause()),
    ArrowLeft: () => { player().currentTime -= SKIP_SECONDS; },
    ArrowRight: () => { player().currentTime += SKIP_SECONDS; },
  };

  // Not while somebody types, nor where the key has a meaning of its own.
  document.addEventListener("keydown", (event) => {
    const isTaken = event.target.closest("input, select, textarea, button, a, audio, summary, dialog");
    const act = KEYS[event.key];
    if (!act || isTaken || !player() || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });

  player()?.addEventListener("timeupdate", light);
  player()?.addEventListener("seeked", light);
})();
