// The pages work without this; it spares a click where an answer can come by itself.

// Audience: the preview follows the form.
const form = document.getElementById("audience");
if (form) {
  const preview = document.getElementById("preview");
  let last = 0;
  let timer;
  const refresh = async () => {
    const mine = ++last;
    const fields = new URLSearchParams(new FormData(form));
    fields.set("part", "preview");
    preview.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(`/console/audience?${fields}`);
      const text = await answer.text();
      if (mine === last && answer.ok) preview.innerHTML = text;
    } finally {
      if (mine === last) preview.removeAttribute("aria-busy");
    }
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, 250);
  });

  // Files: look again while one is being written.
  const files = document.getElementById("files");
  const watch = async () => {
    if (!files.querySelector('[data-state="queued"], [data-state="running"]')) return;
    const answer = await fetch("/console/audience/files");
    if (answer.ok) files.innerHTML = await answer.text();
    setTimeout(watch, 700);
  };
  setTimeout(watch, 700);
}

// Budget: the slider reads off the curve.
const slider = document.getElementById("budget-slider");
if (slider) {
  const points = JSON.parse(document.getElementById("budget-points").textContent);
  const now = document.getElementById("budget-now");
  const mark = document.getElementById("budget-mark");
  const most = points[points.length - 1].budget;
  const euro = new Intl.NumberFormat(document.documentElement.lang, {
    style: "currency", currency: "EUR", maximumFractionDigits: 0,
  });
  const show = () => {
    const point = points[Number(slider.value)];
    const band = point.high > point.low ? ` (${euro.format(point.low)} ${now.dataset.to} ${euro.format(point.high)})` : "";
    now.textContent = `${euro.format(point.budget)} ${now.dataset.brings} ${euro.format(point.profit)}${band}`;
    slider.setAttribute("aria-valuetext", now.textContent);
    const x = 100 * point.budget / most;
    mark.setAttribute("x1", x);
    mark.setAttribute("x2", x);
  };
  slider.hidden = false;
  slider.addEventListener("input", show);
  show();
}
