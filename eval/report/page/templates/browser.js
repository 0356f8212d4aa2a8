"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const list = byId("rows"), space = byId("space"), detail = byId("detail"), count = byId("count");
  const HEIGHT = 62, AROUND = 6; // pixels of a row; rows drawn beyond what is seen
  const total = data.task.length, several = data.runs.length > 1;
  let shown = [], active = 0, texts = null;

  const number = (value) => value.toLocaleString("en");
  const percent = (value) => (value === null ? "" : (100 * value).toFixed(1) + " %");

  function element(tag, kind, text) {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // What is searched, made when it is first asked for.
  function searched(row) {
    texts ??= data.input.map((input, at) =>
      [input, data.target[at], ...data.answers.map((of) => of.prediction[at])].join("\n").toLowerCase());
    return texts[row];
  }

  const chosen = {
    all: () => true,
    wrong: (row) => data.answers.some((of) => !of.right[row]),
    differ: (row) => data.answers[0].prediction[row] !== data.answers[1].prediction[row],
    only0: (row) => data.answers[0].right[row] && !data.answers[1].right[row],
    only1: (row) => data.answers[1].right[row] && !data.answers[0].right[row],
  };

  // Rows without a confidence come last, whichever way the others are sorted.
  function sort(rows, order) {
    const parts = /^(down|up)(\d)$/.exec(order);
    if (!parts) return rows;
    const sure = data.answers[Number(parts[2])].confidence, sign = parts[1] === "up" ? 1 : -1;
    return rows.sort((one, other) => {
      if (sure[one] === null || sure[other] === null) return (sure[one] === null) - (sure[other] === null) || one - other;
      return sign * (sure[one] - sure[other]) || one - other;
    });
  }

  function filter() {
    const task = byId("task").value, words = byId("search").value.trim().toLowerCase();
    const isShown = chosen[byId("show").value];
    const rows = [];
    for (let row = 0; row < total; row += 1) {
      if (task !== "" && data.task[row] !== Number(task)) continue;
      if (isShown(row) && (!words || searched(row).includes(words))) rows.push(row);
    }
    shown = sort(rows, byId("order").value);
    active = 0;
    list.scrollTop = 0;
    space.style.height = shown.length * HEIGHT + "px";
    const cut = data.limit ? `; inputs are cut to ${number(data.limit)} characters` : "";
    count.textContent = `${number(shown.length)} of ${number(total)} predictions${cut}`;
    draw();
    describe();
  }

  function summary(row) {
    const parts = [`${data.tasks[data.task[row]]} · row ${number(data.example[row])}`];
    if (!several && data.answers[0].confidence[row] !== null) parts.push(percent(data.answers[0].confidence[row]) + " sure");
    return parts.join(" · ");
  }

  function option(at) {
    const row = shown[at], made = element("div", "row");
    made.id = "row-" + at;
    made.setAttribute("role", "option");
    made.setAttribute("aria-selected", String(at === active));
    made.setAttribute("aria-posinset", at + 1);
    made.setAttribute("aria-setsize", shown.length);
    made.style.top = at * HEIGHT + "px";
    made.style.height = HEIGHT + "px";
    const head = element("div");
    data.answers.forEach((of, run) => {
      const word = of.right[row] ? "right" : "wrong";
      head.append(element("span", word, several ? `${"AB"[run]} ${word} ` : word + " "));
    });
    head.append(element("span", "quiet", summary(row)));
    const answers = data.answers.map((of) => of.prediction[row] || "nothing");
    const given = several && answers[0] === answers[1] ? answers.slice(0, 1) : answers;
    made.append(head, element("div", "", `${given.join(" | ")} ← ${data.input[row]}`));
    made.addEventListener("click", () => move(at));
    return made;
  }

  function draw() {
    const first = Math.max(0, Math.floor(list.scrollTop / HEIGHT) - AROUND);
    const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / HEIGHT) + AROUND);
    const drawn = [];
    for (let at = first; at < last; at += 1) drawn.push(option(at));
    space.replaceChildren(...drawn);
    if (active >= first && active < last) list.setAttribute("aria-activedescendant", "row-" + active);
    else list.removeAttribute("aria-activedescendant");
  }

  function describe() {
    if (!shown.length) {
      detail.replaceChildren(element("p", "quiet", "No prediction is like that."));
      return;
    }
    const row = shown[active], entries = element("dl");
    const add = (name, text, kind) => entries.append(element("dt", "", name), element("dd", kind, text));
    add("task", `${data.tasks[data.task[row]]}, row ${number(data.example[row])}`);
    add("input", data.input[row]);
    add("right", [data.target[row], ...data.others[row]].join("\n"));
    data.answers.forEach((of, run) => {
      add(several ? `${"AB"[run]}, ${data.runs[run]}` : "given", of.prediction[row] || "nothing", of.right[row] ? "right" : "wrong");
      const shares = of.shares[row];
      if (!shares.length) return;
      const lines = [];
      for (let at = 0; at < shares.length; at += 2) lines.push(`${percent(shares[at + 1])} ${shares[at]}`);
      add("likeliest", lines.join("\n"));
    });
    detail.replaceChildren(entries);
  }

  function move(to) {
    if (!shown.length) return;
    active = Math.max(0, Math.min(shown.length - 1, to));
    const top = active * HEIGHT, bottom = top + HEIGHT;
    if (top < list.scrollTop) list.scrollTop = top;
    if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
    draw();
    describe();
  }

  const page = () => Math.max(1, Math.floor(list.clientHeight / HEIGHT) - 1);
  const keys = {
    ArrowDown: () => active + 1, ArrowUp: () => active - 1, PageDown: () => active + page(),
    PageUp: () => active - page(), Home: () => 0, End: () => shown.length - 1,
  };
  list.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    move(keys[event.key]());
  });
  list.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  addEventListener("resize", () => requestAnimationFrame(draw));
  for (const id of ["task", "show", "order"]) byId(id).addEventListener("change", filter);
  let waiting;
  byId("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 120);
  });
  document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
  filter();
})();
