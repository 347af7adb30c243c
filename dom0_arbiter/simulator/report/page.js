// Draws each policy's chart from the page's own data: all domains as a stack, or one alone.
"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const places = [...document.querySelectorAll(".chart")];
  const selects = [...document.querySelectorAll("select.view")];
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  // Okabe and Ito's colours, which every kind of colour vision can tell apart; then the same, lighter and darker.
  const hues = [[0, 114, 178], [230, 159, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [213, 94, 0], [240, 228, 66]];
  const shades = [0, 0.4, -0.35, 0.65, -0.55, 0.2];
  const colour = (index) => {
    const shade = shades[Math.floor(index / hues.length) % shades.length];
    const mixed = hues[index % hues.length].map((part) => Math.round(shade > 0 ? part + (255 - part) * shade : part * (1 + shade)));
    return `rgb(${mixed.join(",")})`;
  };
  const theme = () => {
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries(["text", "quiet", "ground", "line"].map((name) => [name, style.getPropertyValue("--" + name).trim()]));
  };
  const hover = "%{fullData.name}: %{y:,.0f} MiB at %{x:,.1f} s<extra></extra>";
  // What is needed has a rim of the page's colour, to be seen on bands of any other.
  const stack = (chart, { text, ground, line }) => [
    ...chart.domains.map((domain, index) => ({
      x: chart.times, y: domain.has, name: domain.label, stackgroup: "has", hovertemplate: hover,
      line: { width: 0.5, color: ground }, fillcolor: colour(index), legendrank: 2000 - index,
    })),
    { x: chart.times, y: chart.free, name: "free", stackgroup: "has", hovertemplate: hover, line: { width: 0 }, fillcolor: line, legendrank: 500 },
    { x: chart.times, y: chart.needed, mode: "lines", hoverinfo: "skip", showlegend: false, line: { width: 6, color: ground } },
    { x: chart.times, y: chart.needed, name: "needed by all", mode: "lines", hovertemplate: hover, line: { width: 2.5, color: text }, legendrank: 100 },
  ];
  const alone = (domain, index, { text }) => [
    { x: domain.alone.times, y: domain.alone.has, name: domain.label + " has", fill: "tozeroy", mode: "lines", hovertemplate: hover, line: { width: 1, color: colour(index) } },
    { x: domain.alone.times, y: domain.alone.needs, name: domain.label + " needs", mode: "lines", hovertemplate: hover, line: { width: 2.5, color: text } },
  ];
  const draw = (number) => {
    const chart = charts[number], colours = theme(), chosen = Number(selects[number].value);
    const axis = { gridcolor: colours.line, linecolor: colours.line, zerolinecolor: colours.line };
    Plotly.react(places[number], chosen < 0 ? stack(chart, colours) : alone(chart.domains[chosen], chosen, colours), {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: colours.text }, hovermode: "closest",
      margin: { l: 70, r: 20, t: 32, b: 50 }, showlegend: true, legend: { traceorder: "normal" }, modebar: { bgcolor: "rgba(0,0,0,0)", color: colours.quiet, activecolor: colours.text },
      xaxis: { ...axis, title: { text: "seconds" } },
      yaxis: { ...axis, title: { text: "MiB" }, rangemode: "tozero", ...(chosen < 0 ? { range: [0, chart.memory * 1.02] } : {}) },
      shapes: chosen < 0 ? [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: chart.memory, y1: chart.memory, line: { color: colours.quiet, dash: "dot", width: 1 } }] : [],
    }, { responsive: true, displaylogo: false, modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]] });
  };
  selects.forEach((select, number) => {
    select.add(new Option("all domains", "-1"));
    charts[number].domains.forEach((domain, index) => select.add(new Option(domain.name, String(index))));
    select.addEventListener("change", () => draw(number));
    draw(number);
  });
  dark.addEventListener("change", () => charts.forEach((_, number) => draw(number)));
})();
