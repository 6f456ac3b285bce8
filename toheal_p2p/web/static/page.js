// What htmx does not do: the page's secret, quick exit, focus, and a few small helps.
(() => {
  const page = document.getElementById("page");
  const secret = sessionStorage.getItem("page") || "";
  const $ = id => document.getElementById(id);

  document.addEventListener("htmx:config:request", event => {
    event.detail.ctx.request.headers["X-Page"] = secret;
  });

  // ---- the page is over: another one was opened, or the program has ended
  const close = () => {
    page.replaceChildren();
    page.hidden = true;
    $("closed").hidden = false;
    $("closed").querySelector("h1").focus();
  };
  document.addEventListener("htmx:before:swap", event => {
    const status = event.detail.ctx.response?.raw?.status;
    if (status === 403 || status === 421) {
      event.preventDefault();
      close();
    }
  });
  document.addEventListener("htmx:error", event => {
    if (event.detail.error instanceof TypeError) {
      const words = $("text")?.value; // the program has ended: what was not sent is not lost
      close();
      if (words) {
        $("unsent").hidden = false;
        $("unsent-text").value = words;
      }
    }
  });
  document.addEventListener("htmx:sse:error", event => {
    if (event.detail.status === 403) close();
  });

  // ---- quick exit: cover, clear, lock, go
  const leave = () => {
    document.documentElement.classList.add("gone");
    page.replaceChildren();
    sessionStorage.clear();
    fetch("/exit", {method: "POST", headers: {"X-Page": secret}, keepalive: true}).catch(() => {});
    location.replace("/calendar");
  };
  let pressed = [];
  document.addEventListener("keydown", event => {
    if (event.key !== "Escape") return;
    pressed = [...pressed, event.timeStamp].slice(-3);
    if (pressed.length === 3 && pressed[2] - pressed[0] < 2000) leave();
  });
  document.addEventListener("click", event => {
    if (event.target.closest("[data-exit]")) leave();
  });

  // ---- whoever goes elsewhere in this window leaves nothing that "back" could bring up again
  addEventListener("load", () => addEventListener("pagehide", () => page.replaceChildren())); // after a draft was sealed
  addEventListener("pageshow", event => { if (event.persisted) location.reload(); });

  // ---- what is dragged here goes into a field or nowhere: a browser would go to it
  for (const kind of ["dragover", "drop"])
    document.addEventListener(kind, event => {
      const {target, dataTransfer} = event;
      const isFile = dataTransfer && [...dataTransfer.types].includes("Files");
      if (isFile ? target.type !== "file" : !target.matches?.("input, textarea")) event.preventDefault();
    });

  // ---- somebody is here: typing is use, and must not end in a locked page
  let told = 0;
  const use = () => {
    if (Date.now() - told < 20000 || !page.querySelector("[data-open]")) return;
    told = Date.now();
    fetch("/used", {method: "POST", headers: {"X-Page": secret}}).catch(() => {});
  };
  for (const kind of ["keydown", "pointerdown", "wheel", "recording"])
    document.addEventListener(kind, use, {passive: true, capture: true});
  // ... and a page that nobody uses must not go on showing what was locked meanwhile
  setInterval(async () => {
    if (!page.querySelector("[data-open]")) return;
    const answer = await fetch("/state", {headers: {"X-Page": secret}}).catch(() => null);
    if (answer && answer.status === 200 && await answer.text() !== "open" && page.querySelector("[data-open]"))
      htmx.ajax("GET", "/now", {target: "#page", swap: "innerHTML"});
  }, 5000);

  // ---- after something was put into the page
  const isNearEnd = () => innerHeight + scrollY > document.documentElement.scrollHeight - 240;
  let wasNearEnd = true;
  document.addEventListener("htmx:before:swap", () => { wasNearEnd = isNearEnd(); });
  document.addEventListener("htmx:after:swap", event => {
    const target = event.detail.ctx.target;
    if (target === page) {
      const heading = page.querySelector("h1");
      const wanted = page.querySelector("[autofocus]") || page.querySelector("#composer [data-focus]") || heading;
      if (wanted) wanted.focus({preventScroll: true});
      const place = $($("entries")?.dataset.place) || $("new");
      if (place) place.scrollIntoView({block: "center"});
      else scrollTo(0, $("entries") && !$("entries").matches(":empty") ? document.documentElement.scrollHeight : 0);
      if (place && place.id !== "new") place.focus({preventScroll: true});
    } else if (target && target.id === "entries" && !event.detail.ctx.swap.startsWith("after")) {
      if (wasNearEnd) scrollTo(0, document.documentElement.scrollHeight);
    } else if (target && target.id === "composer") {
      $("text").focus({preventScroll: true});
    }
  });

  // ---- small helps
  const strength = text => {
    const words = text.trim().split(/\s+/).filter(word => word.length > 2).length;
    if (text.length >= 20 && (words >= 4 || new Set(text).size >= 12)) return "good";
    return text.length >= 14 || words >= 3 ? "middle" : "low";
  };
  document.addEventListener("input", event => {
    const place = $(event.target.dataset.strength);
    if (place) place.textContent = event.target.value ? place.dataset[strength(event.target.value)] : "";
  });
  document.addEventListener("change", event => {
    for (const id of (event.target.dataset.shows || "").split(" "))
      if (id) $(id).type = event.target.checked ? "text" : "password";
  });
  document.addEventListener("click", async event => {
    const button = event.target.closest("[data-copies]");
    if (!button) return;
    const field = $(button.dataset.copies);
    field.select();
    await navigator.clipboard.writeText(field.value).catch(() => document.execCommand("copy"));
    const place = $(button.dataset.says);
    place.textContent = place.dataset.copied;
  });
  // Ctrl+Enter sends, Enter writes a new line: nothing is sent by accident.
  document.addEventListener("keydown", event => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.id === "text")
      event.target.form.requestSubmit();
  });
})();
