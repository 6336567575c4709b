// JSON that is edited as rows of labelled inputs; what no input names is kept as it is.
(() => {
  "use strict";
  let counter = 0;

  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  function read(object, key) {
    return key.split(".").reduce((inner, name) => inner?.[name], object);
  }

  function write(object, key, value) {
    const names = key.split(".");
    const last = names.pop();
    const inner = names.reduce((found, name) => {
      if (!isObject(found[name])) found[name] = {};
      return found[name];
    }, object);
    if (value === undefined) delete inner[last];
    else inner[last] = value;
    // An object of which nothing is left goes, too.
    if (names.length && !Object.keys(inner).length) write(object, names.join("."), undefined);
  }

  const split = (text) => text.split(",").map((part) => part.trim()).filter(Boolean);
  const PARSERS = {
    number: (text) => (text === "" ? undefined : Number(text)),
    numbers: (text) => (text.trim() ? split(text).map(Number) : undefined),
    words: (text) => (text.trim() ? split(text) : undefined),
    json: (text) => (text.trim() ? JSON.parse(text) : undefined),
  };
  const WRITERS = {
    numbers: (value) => value.join(", "),
    words: (value) => value.join(", "),
    json: (value) => JSON.stringify(value, null, 2),
  };

  function label(field, input) {
    counter += 1;
    input.id = `row-input-${counter}`;
    return make("div", { className: "field" },
      make("label", { htmlFor: input.id, textContent: field.label }), input);
  }

  function tickField(field, object, changed) {
    const input = make("input", { type: "checkbox", checked: Boolean(read(object, field.key)) });
    input.addEventListener("change", () => {
      write(object, field.key, input.checked || undefined);
      changed();
    });
    return make("label", { className: "check" }, input, make("span", { textContent: field.label }));
  }

  function ticksField(field, object, changed) {
    const chosen = read(object, field.key) ?? [];
    const box = make("fieldset", { className: "chips" }, make("legend", { textContent: field.label }));
    field.choices.forEach(([value, words]) => {
      const input = make("input", { type: "checkbox", checked: chosen.includes(value) });
      input.addEventListener("change", () => {
        const now = new Set(read(object, field.key) ?? []);
        if (input.checked) now.add(value);
        else now.delete(value);
        write(object, field.key, field.choices.map(([each]) => each).filter((each) => now.has(each)));
        changed();
      });
      box.append(make("label", { className: "chip" }, input, make("span", { textContent: words })));
    });
    return box;
  }

  function choiceField(field, object, changed) {
    const value = read(object, field.key) ?? "";
    const select = make("select");
    const choices = [["", "–"], ...field.choices];
    // What is stored and not among them is kept.
    if (!choices.some(([code]) => code === value)) choices.push([value, String(value)]);
    choices.forEach(([code, words]) => {
      select.append(make("option", { value: String(code), textContent: words }));
    });
    select.value = String(value);
    select.addEventListener("change", () => {
      const [code] = choices[select.selectedIndex];
      write(object, field.key, code === "" ? undefined : code);
      changed();
    });
    return label(field, select);
  }

  function textField(field, object, changed) {
    const value = read(object, field.key);
    const isLong = ["long", "json"].includes(field.kind);
    const input = make(isLong ? "textarea" : "input", isLong ? { rows: 3 } : { type: "text" });
    if (field.kind === "number") Object.assign(input, { type: "number", step: field.step });
    if (value !== undefined && value !== null) {
      input.value = (WRITERS[field.kind] ?? String)(value);
    }
    input.addEventListener("input", () => {
      let parsed;
      try {
        parsed = (PARSERS[field.kind] ?? ((text) => text || undefined))(input.value);
      } catch {
        input.setAttribute("aria-invalid", "true");
        return;
      }
      input.removeAttribute("aria-invalid");
      write(object, field.key, parsed);
      changed();
    });
    return label(field, input);
  }

  const KINDS = { tick: tickField, ticks: ticksField, choice: choiceField };
  const inputs = (fields, object, changed) =>
    fields.map((field) => (KINDS[field.kind] ?? textField)(field, object, changed));

  function start(area) {
    const spec = JSON.parse(area.dataset.rows);
    const box = make("div", { className: "rows" });
    const fold = make("details", {}, make("summary", { textContent: "As JSON" }));
    area.before(box, fold);
    fold.append(area);
    let value;

    function store() {
      const isEmpty = spec.needsRows && !list().length;
      area.value = isEmpty ? "" : JSON.stringify(value, null, 2);
      area.dispatchEvent(new Event("rows:changed", { bubbles: true }));
    }

    // A window for all its days is one row, and is written with the rows once it is edited.
    function list() {
      if (!spec.isList) return [value];
      if (!spec.inside) return value;
      if (!Array.isArray(value[spec.inside])) {
        const row = {};
        spec.fields.forEach(({ key }) => {
          if (key in value) row[key] = value[key];
          delete value[key];
        });
        value[spec.inside] = Object.keys(row).length ? [row] : [];
      }
      return value[spec.inside];
    }

    function rowOf(object, place) {
      const row = make("div", { className: "rows-row" }, ...inputs(spec.fields, object, store));
      if (spec.isList) {
        const remove = make("button", { type: "button", className: "button small", textContent: "Remove" });
        remove.addEventListener("click", () => {
          list().splice(place, 1);
          store();
          draw();
        });
        row.append(remove);
      }
      return row;
    }

    function draw() {
      let parsed;
      try {
        parsed = area.value.trim() ? JSON.parse(area.value) : null;
      } catch {
        fold.open = true;
        return;
      }
      const wantsList = spec.isList && !spec.inside;
      if (parsed !== null && Array.isArray(parsed) !== wantsList) {
        fold.open = true;
        return;
      }
      value = parsed ?? (wantsList ? [] : {});
      const outer = spec.needsRows && !list().length ? [] : inputs(spec.outer, value, store);
      box.replaceChildren(...outer, ...list().map(rowOf));
      if (!spec.isList) return;
      const add = make("button", { type: "button", className: "button small", textContent: spec.add });
      add.addEventListener("click", () => {
        list().push({});
        store();
        draw();
        box.querySelector(".rows-row:last-of-type input")?.focus();
      });
      box.append(add);
    }

    area.addEventListener("change", draw);
    draw();
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("textarea[data-rows]").forEach(start);
  });
})();
