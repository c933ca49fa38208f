"use strict";
// Lays the map of a class over the pictures of a tile: orange where it speaks for the class, violet where against it.
const FOR = [230, 97, 1], AGAINST = [94, 60, 153];  // told apart by those who see no red or green, too
const STRONGEST = 0.75, MOST_LOG_ODDS = 12, SHARE_SHOWN = 0.98;
const EXPLAINED = {
  activation: "The colour of a place tells what the model would answer if all of the tile were like it. It is a map of " +
    "what the answer follows from, and outlines nothing.",
  dense: "The colour of a place tells what the model answers for that place.",
};

function logOdds(value) {
  const odds = Math.log(value / (1 - value));
  return Math.max(-MOST_LOG_ODDS, Math.min(MOST_LOG_ODDS, odds));
}

// Returns for each place how far above its threshold a class is, in log-odds.
function aboveThreshold(maps, number, thresholds) {
  const [, height, width, classes] = maps.shape;
  const neutral = thresholds ? logOdds(thresholds[number]) : 0;
  const values = new Float32Array(height * width);
  for (let at = 0; at < values.length; at++) values[at] = logOdds(maps.data[at * classes + number]) - neutral;
  return { values, height, width };
}

function fullColourAt(values) {
  const sizes = [...values].map(Math.abs).sort((a, b) => a - b);
  return Math.max(1, sizes[Math.floor(SHARE_SHOWN * (sizes.length - 1))]);
}

function heatOf({ values, height, width }, most) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const image = new ImageData(width, height);
  values.forEach((value, at) => {
    const strength = Math.min(1, Math.abs(value) / most);
    image.data.set([...(value > 0 ? FOR : AGAINST), 255 * STRONGEST * strength], 4 * at);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function layOver(heat, picture, target) {
  [target.width, target.height] = [picture.width, picture.height];
  const pen = target.getContext("2d");
  pen.drawImage(picture, 0, 0);
  pen.globalCompositeOperation = "saturation";  // the picture in grey, so that colour is the map's alone
  pen.fillStyle = "hsl(0 0% 50%)";
  pen.fillRect(0, 0, target.width, target.height);
  pen.globalCompositeOperation = "source-over";
  pen.imageSmoothingEnabled = true;
  pen.drawImage(heat, 0, 0, target.width, target.height);
}

// Shows the map of one class; `maps` has the shape [1, h, w, C] and its data.
function showWhere(maps, about, number, name) {
  const above = aboveThreshold(maps, number, about.thresholds);
  const most = fullColourAt(above.values);
  const heat = heatOf(above, most);
  const canvas = (id) => document.getElementById(id);
  layOver(heat, canvas("see-rgb"), canvas("where-rgb"));
  canvas("figure-where-nir").hidden = canvas("figure-nir").hidden;
  if (!canvas("figure-nir").hidden) layOver(heat, canvas("see-nir"), canvas("where-nir"));
  canvas("where-class").textContent = name;
  const factor = Math.exp(most), shown = factor < 1e4 ? Math.round(factor).toLocaleString("en") : "10,000 and more";
  canvas("where-legend").textContent = `${EXPLAINED[about.kind]} Orange: above ` +
    `${about.thresholds ? "its threshold" : "one half"}; violet: below; grey: near it. ` +
    `Colour is full where the odds are ${shown} times as high or as low. ${above.height} × ${above.width} places.`;
  canvas("where").hidden = false;
}
