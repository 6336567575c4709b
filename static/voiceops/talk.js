// A test call from the browser: joins the agent's room with the token that the server answers.
(() => {
  "use strict";
  const form = document.getElementById("talk");
  const state = document.getElementById("talk-state");
  const find = (name) => form.querySelector(`[data-${name}]`);
  const say = (name) => { state.textContent = form.dataset[name] ?? name; };
  let room = null;

  function show(isTalking) {
    find("start").hidden = isTalking;
    find("mute").hidden = find("leave").hidden = !isTalking;
    form.querySelectorAll("input:not([type=hidden])").forEach((input) => { input.disabled = isTalking; });
  }

  // Before the call is opened: who refuses the microphone leaves no call behind.
  async function askForMicrophone() {
    if (!navigator.mediaDevices) return "insecure";
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      stream.getTracks().forEach((track) => track.stop());
      return "";
    } catch (error) {
      return "refused";
    }
  }

  async function open() {
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers: { "HX-Request": "true" } });
    const opened = await answer.json().catch(() => ({}));
    return answer.ok ? opened : { problem: opened.problem ?? form.dataset.lost };
  }

  function over() {
    room = null;
    find("sound").replaceChildren();
    show(false);
    say("over");
    find("call").hidden = false;
  }

  async function join(opened) {
    const { Room, RoomEvent, Track } = window.LivekitClient;
    room = new Room();
    room.on(RoomEvent.TrackSubscribed, (track) => {
      if (track.kind === Track.Kind.Audio) find("sound").append(track.attach());
    });
    room.on(RoomEvent.Disconnected, over);
    await room.connect(opened.url, opened.token);
    await room.startAudio();
    await room.localParticipant.setMicrophoneEnabled(true);
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const start = find("start");
    if (start.disabled) return;
    start.disabled = true;
    find("call").hidden = true;
    const problem = await askForMicrophone();
    if (problem) {
      say(problem);
    } else {
      say("joining");
      const opened = await open();
      if (opened.problem) {
        say(opened.problem);
      } else {
        find("call").href = opened.call_url;
        try {
          await join(opened);
          find("mute").textContent = form.dataset.mute;
          show(true);
          say("talking");
        } catch (error) {
          room?.disconnect();
          over();
          say("lost");
        }
      }
    }
    start.disabled = false;
  });

  find("leave").addEventListener("click", () => room?.disconnect());
  find("mute").addEventListener("click", async () => {
    const isOn = room.localParticipant.isMicrophoneEnabled;
    await room.localParticipant.setMicrophoneEnabled(!isOn);
    find("mute").textContent = isOn ? form.dataset.unmute : form.dataset.mute;
  });
  window.addEventListener("pagehide", () => room?.disconnect());
})();
