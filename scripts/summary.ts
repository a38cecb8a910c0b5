/** Prints the closing line of a test run, from vitest's JSON report: `N passed, N failed, N skipped`. Fails where no test ran. */
import { readFileSync } from "node:fs";

const [path = ""] = process.argv.slice(2);
const report = JSON.parse(readFileSync(path, "utf8")) as {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
};
const { numPassedTests: passed, numFailedTests: failed } = report;
console.log(`${passed} passed, ${failed} failed, ${report.numPendingTests + report.numTodoTests} skipped`);
if (passed + failed === 0) {
  console.error("No test ran");
  process.exit(1);
}
