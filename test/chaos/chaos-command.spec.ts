import { ExitCode, readCommand, runCommand, UsageError } from './chaos-command.js';
import type { ChaosRun, Scenario, Verdict } from './scenario.js';

const scenario = (name: string, run: (chaos: ChaosRun) => Verdict): Scenario => ({
  name,
  promise: `Nothing of ${name} is lost.`,
  run: async (chaos) => run(chaos),
});
const draws = ({ random }: ChaosRun): Verdict => ({ violations: [], figures: { drawn: random.integer(0, 1e9) } });

const HELD = scenario('held', draws);
const VIOLATED = scenario('violated', () => ({
  violations: Array.from({ length: 12 }, (_, index) => `message ${index} is lost`),
  figures: { messages: 40 },
}));
const BROKEN = scenario('broken', () => {
  throw new Error('Redis did not start');
});
const KNOWN = [HELD, VIOLATED, BROKEN];

const read = (line: string) =>
  readCommand(
    line.split(' ').filter((word) => word !== ''),
    KNOWN,
    () => 4_711,
  );

describe(readCommand.name, () => {
  it.each([
    ['', { seed: 4_711, scale: 'long', scenarios: KNOWN, json: false }],
    ['--seed 7 --scale short --json', { seed: 7, scale: 'short', scenarios: KNOWN, json: true }],
    ['--only broken,held', { seed: 4_711, scale: 'long', scenarios: [BROKEN, HELD], json: false }],
    ['--help', 'help'],
  ])('understands "%s"', (line, command) => {
    expect(read(line)).toEqual(command);
  });

  it.each(['--seed', '--seed x', '--seed -1', '--seed 4294967296', '--only no-such', '--scale huge', '--fast', 'held'])(
    'refuses "%s", saying why',
    (line) => {
      expect(() => read(line)).toThrow(UsageError);
    },
  );
});

describe(runCommand.name, () => {
  let printed: string;
  let noted: string;

  const run = (scenarios: readonly Scenario[], { json = false, seed = 7 } = {}) =>
    runCommand({ seed, scale: 'short', scenarios, json }, 'a machine', {
      print: (text) => (printed += text),
      note: (text) => (noted += text),
    });

  beforeEach(() => {
    printed = '';
    noted = '';
  });

  it('ends with 0 when all promises held, and with 1 when one did not', async () => {
    expect(await run([HELD])).toBe(ExitCode.Held);
    expect(await run([VIOLATED, HELD])).toBe(ExitCode.Violated);
  });

  it('shows promises, figures, seed and machine, and the first few violations', async () => {
    await run([HELD, VIOLATED]);
    expect(printed).toMatch(/^held +held +\d+ +Nothing of held is lost\.$/m);
    expect(printed).toMatch(/^violated +VIOLATED/m);
    expect(printed).toMatch(/^messages +40$/m);
    expect(printed).toContain('message 9 is lost');
    expect(printed).not.toContain('message 10 is lost');
    expect(printed).toContain('and 2 more');
    expect(printed).toContain('seed 7, scale short; a machine');
  });

  it('prints exactly one JSON object with all violations when asked for', async () => {
    await run([HELD, VIOLATED], { json: true });
    const report = JSON.parse(printed) as { scenarios: { violations: string[] }[] };
    expect(report).toMatchObject({
      seed: 7,
      scale: 'short',
      machine: 'a machine',
      scenarios: [
        { name: 'held', held: true, violations: [], figures: { drawn: expect.any(Number) } },
        { name: 'violated', held: false, figures: { messages: 40 } },
      ],
    });
    expect(report.scenarios[1]?.violations).toHaveLength(12);
    expect(noted).toContain('seed 7');
  });

  it('goes on after a scenario that broke off, which has shown nothing', async () => {
    expect(await run([BROKEN, HELD])).toBe(ExitCode.Violated);
    expect(printed).toContain('The scenario broke off: Redis did not start');
    expect(printed).toMatch(/^held +held/m);
  });

  it('makes the faults of a scenario from the seed and its name, whatever ran before it', async () => {
    const drawn = async (scenarios: readonly Scenario[], seed: number) => {
      printed = '';
      await run(scenarios, { json: true, seed });
      const { scenarios: results } = JSON.parse(printed) as { scenarios: { figures: { drawn: number } }[] };
      return results.at(-1)?.figures.drawn;
    };
    const alone = await drawn([HELD], 7);
    expect(await drawn([scenario('other', draws), HELD], 7)).toBe(alone);
    expect(await drawn([HELD], 8)).not.toBe(alone);
  });
});
