import { expect, it } from "vitest";

import { humanDuration } from "./age.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

it.each([
  [-5 * second, "<invalid>"],
  [-500, "0s"],
  [0, "0s"],
  [119 * second, "119s"],
  [2 * minute, "2m"],
  [2 * minute + 5 * second, "2m5s"],
  [12 * minute + 30 * second, "12m"],
  [179 * minute, "179m"],
  [3 * hour + 10 * minute, "3h10m"],
  [30 * hour, "30h"],
  [2 * day + 5 * hour, "2d5h"],
  [10 * day, "10d"],
  [729 * day, "729d"],
  [2 * 365 * day + 20 * day, "2y20d"],
  [9 * 365 * day, "9y"],
])("humanDuration() shows %d ms as %s", (ms, text) => {
  expect(humanDuration(ms)).toBe(text);
});
