// Turn the token of the start file into keys, keep the page's secret in this tab, and go in.
(async () => {
  const token = location.hash.slice(1);
  history.replaceState(null, "", "/start");
  const answer = token && await fetch("/enter", {
    method: "POST",
    headers: {"Content-Type": "application/x-www-form-urlencoded"},
    body: new URLSearchParams({token}),
  }).catch(() => null);
  if (answer && answer.ok) {
    sessionStorage.setItem("page", (await answer.json()).secret);
    location.replace("/");
  } else {
    document.getElementById("opening").hidden = true;
    document.getElementById("late").hidden = false;
  }
})();
