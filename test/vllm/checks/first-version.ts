import { median } from '../../../bench/figures/trend.js';
import { areaUnderCurve, PAIRINGS } from '../../e2e/sentences.js';
import { TestBrain } from '../../support/brain.js';
import type { Check, CheckContext, CheckResult } from '../check.js';

const LIMIT_MS = 600_000;
const LEAST_AREA = 0.95;

/** What the first version promised, end to end: the built brain with its chats, stream and worker on a real vLLM. */
export const firstVersion: Check = {
  name: 'first-version',
  promise: 'the worker starts, each input is scored, the everyday is less surprising than nonsense, chats are answered',

  async run({ url, say }: CheckContext): Promise<CheckResult> {
    const brain = await TestBrain.start({ VORPAL_URL: url });
    try {
      await brain.ready(LIMIT_MS);
      await brain.program.waitForLog(/^Memory worker started$/);
      const pairs = Object.values(PAIRINGS).flat();
      const answers: string[] = [];
      for (const [index, { everyday, nonsense }] of pairs.entries()) {
        if (index % 5 === 0) say(`first-version: ${2 * index} of ${2 * pairs.length} chats`);
        answers.push(
          await chat(brain, `everyday-${index}`, everyday),
          await chat(brain, `nonsense-${index}`, nonsense),
        );
      }
      const { recent } = await brain.workerUntil(({ processed }) => processed >= answers.length, LIMIT_MS);
      const scores = new Map(recent.map(({ session_id, perplexity }) => [session_id, perplexity]));
      const numbersOf = (kind: string) =>
        [...scores].flatMap(([session, perplexity]) => (session.startsWith(kind) && perplexity ? [perplexity] : []));
      return judge(answers, numbersOf('everyday'), numbersOf('nonsense'));
    } finally {
      await brain.dispose();
    }
  },
};

async function chat(brain: TestBrain, session: string, message: string): Promise<string> {
  const { status, body } = await brain.post<{ response: string }>('/chat', {
    message,
    session_id: session,
    user_id: session,
  });
  return status === 200 ? body.response : '';
}

function judge(answers: readonly string[], everyday: readonly number[], nonsense: readonly number[]): CheckResult {
  const answered = answers.filter((text) => text.trim() !== '').length;
  const scored = everyday.length + nonsense.length;
  const area = areaUnderCurve([...everyday], [...nonsense]);
  const held = answered === answers.length && scored === answers.length && area >= LEAST_AREA;
  const medians = `median perplexity ${median(everyday).toFixed(1)} and ${median(nonsense).toFixed(1)}, area ${area.toFixed(3)}`;
  return {
    held,
    report: `worker started; ${answered} of ${answers.length} chats answered, ${scored} scored; everyday and nonsense: ${medians}`,
  };
}
