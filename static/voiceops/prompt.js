// Names in double braces are coloured while a prompt is written; those nobody declared are underlined.
(() => {
  "use strict";
  const NAME = /\{\{([^{}]{1,120})\}\}/g; // as agents/prompts.py reads them

  function declaredIn(area) {
    const field = document.getElementById(area.dataset.prompt);
    try {
      return new Set((JSON.parse(field?.value || "[]") ?? []).map((variable) => variable.name));
    } catch {
      return null; // not JSON at the moment: nothing can be said
    }
  }

  function start(area) {
    const frame = document.createElement("div");
    const behind = document.createElement("div");
    const remark = document.createElement("p");
    frame.className = "prompt";
    behind.className = `${area.className} prompt-behind`;
    behind.setAttribute("aria-hidden", "true");
    remark.className = "prompt-remark";
    remark.setAttribute("aria-live", "polite");
    area.before(frame);
    frame.append(behind, area);
    frame.after(remark);

    function draw() {
      const declared = declaredIn(area);
      const missing = new Set();
      behind.replaceChildren();
      let end = 0;
      for (const found of area.value.matchAll(NAME)) {
        const name = found[1].trim();
        const mark = document.createElement("mark");
        mark.textContent = found[0];
        if (declared && !declared.has(name)) {
          mark.className = "undeclared";
          missing.add(name);
        }
        behind.append(area.value.slice(end, found.index), mark);
        end = found.index + found[0].length;
      }
      behind.append(`${area.value.slice(end)}\n`);
      remark.textContent = missing.size
        ? `Not declared as a variable: ${[...missing].join(", ")}. It would be spoken as it is written.`
        : "";
      follow();
    }

    function follow() {
      behind.scrollTop = area.scrollTop;
    }

    area.addEventListener("input", draw);
    area.addEventListener("scroll", follow);
    document.addEventListener("rows:changed", draw);
    document.addEventListener("change", draw);
    draw();
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("textarea[data-prompt]").forEach(start);
  });
})();
