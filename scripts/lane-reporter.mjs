/** A Jest reporter that says, before Jest's own summary, how long each lane took: `lane unit: 41 s, 812 tests`. */
export default class LaneReporter {
  onRunComplete(_contexts, { testResults }) {
    const lanes = Map.groupBy(testResults, ({ displayName }) => displayName?.name ?? 'tests');
    for (const [name, files] of lanes) process.stderr.write(`${line(name, files)}\n`);
  }
}

function line(name, files) {
  const begun = Math.min(...files.map(({ perfStats }) => perfStats.start || Infinity));
  const ended = Math.max(...files.map(({ perfStats }) => perfStats.end));
  // A file that could not be loaded has no times.
  const seconds = Number.isFinite(begun) ? Math.ceil((ended - begun) / 1_000) : 0;
  const sum = (count) => files.reduce((total, file) => total + count(file), 0);
  const tests = sum(({ numPassingTests, numFailingTests }) => numPassingTests + numFailingTests);
  const failed = sum(({ numFailingTests }) => numFailingTests);
  const broken = files.filter(({ testExecError }) => testExecError != null).length;
  const bad = [failed > 0 && `${failed} failed`, broken > 0 && `${broken} files could not run`].filter(Boolean);
  return [`lane ${name}: ${seconds} s`, `${tests} tests`, ...bad].join(', ');
}
