/** A Jest reporter that says, before Jest's own summary, how long each lane took: `lane unit: 41 s, 812 tests`. */
export default class LaneReporter {
  #lanes = new Map();

  onTestResult({ context }, result) {
    const name = context.config.displayName?.name ?? 'tests';
    this.#lanes.set(name, [...(this.#lanes.get(name) ?? []), result]);
  }

  onRunComplete() {
    for (const [name, files] of this.#lanes) process.stderr.write(`${line(name, files)}\n`);
    this.#lanes.clear();
  }
}

function line(name, files) {
  // A file that could not be loaded has no times.
  const run = files.map(({ perfStats }) => perfStats).filter(({ start }) => start > 0);
  const begun = Math.min(...run.map(({ start }) => start));
  const ended = Math.max(...run.map(({ end }) => end));
  const seconds = run.length === 0 ? 0 : Math.ceil((ended - begun) / 1_000);
  const sum = (count) => files.reduce((total, file) => total + count(file), 0);
  const tests = sum(({ numPassingTests, numFailingTests }) => numPassingTests + numFailingTests);
  const failed = sum(({ numFailingTests }) => numFailingTests);
  const broken = files.filter(({ testExecError }) => testExecError != null).length;
  const bad = [failed > 0 && `${failed} failed`, broken > 0 && `${broken} file(s) could not run`].filter(Boolean);
  return [`lane ${name}: ${seconds} s`, `${tests} tests`, ...bad].join(', ');
}
