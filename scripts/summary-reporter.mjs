/**
 * Ends a test run with one plain line that a CI system can read: `Tests: 12 passed, 0 failed, 1 skipped`. A test file that
 * does not load, and an error outside any test, count as one failure each.
 */
export default class SummaryReporter {
  onTestRunEnd(modules, unhandledErrors) {
    let [passed, failed, skipped] = [0, unhandledErrors.length, 0];
    for (const module of modules) {
      // Errors of the file itself or of a suite's hooks belong to no test.
      failed += module.errors().length;
      for (const suite of module.children.allSuites()) failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") passed++;
        else if (state === "failed") failed++;
        else skipped++;
      }
    }
    // The default reporter writes its own summary in the same moment; this line comes after it.
    setImmediate(() => process.stdout.write(`Tests: ${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`));
  }
}
