import type { INestApplicationContext } from '@nestjs/common';
import { Embedder, MemoryStore, RecallService, RememberService } from '../memory/index.js';
import { ProgressBar } from '../observability/index.js';
import { newId } from '../shared/index.js';
import { type ChangePair, isChange } from './change-pairs.js';
import { formatTable, print } from './report.js';

// Said between the two and around them, in the same language where there are as many.
const OTHERS = 24;
const MINUTE_MS = 60_000;
const TIME_LIMIT_MS = 60_000;

interface Outcome {
  readonly isLinked: boolean;
  readonly isOlderRecalled: boolean;
  readonly isNewerRecalled: boolean;
}

/**
 * Every changed pair through the product: said among other messages of one user, remembered as the worker does, and then
 * asked for. Whenever the older one goes into the prompt, the newer one has to.
 */
export async function followThroughRecall(app: INestApplicationContext, pairs: readonly ChangePair[]) {
  const changed = pairs.filter(isChange);
  const bar = new ProgressBar('asking', changed.length);
  const outcomes: Outcome[] = [];
  for (const pair of changed) {
    outcomes.push(await follow(app, pair, othersFor(pair, pairs)));
    bar.advance();
  }
  bar.stop();
  const count = (is: (outcome: Outcome) => boolean) => outcomes.filter(is).length;
  const counts = {
    changed: changed.length,
    linked: count(({ isLinked }) => isLinked),
    newer: count(({ isNewerRecalled }) => isNewerRecalled),
    older: count(({ isOlderRecalled }) => isOlderRecalled),
    olderWithoutNewer: count(({ isOlderRecalled, isNewerRecalled }) => isOlderRecalled && !isNewerRecalled),
  };
  print(
    `\n${formatTable(
      ['changed pairs', 'marked', 'newer in the prompt', 'older in the prompt', 'older without newer'],
      [Object.values(counts)],
    )}`,
  );
  return counts;
}

function othersFor(pair: ChangePair, pairs: readonly ChangePair[]): string[] {
  const rest = pairs.filter((other) => other !== pair && other.before !== pair.before && other.before !== pair.after);
  const own = rest.filter(({ language }) => language === pair.language);
  return [...own, ...rest].slice(0, OTHERS).map(({ before }) => before);
}

async function follow(app: INestApplicationContext, pair: ChangePair, others: readonly string[]): Promise<Outcome> {
  const userId = newId();
  const middle = Math.floor(others.length / 2);
  const texts = [pair.before, ...others.slice(0, middle), pair.after, ...others.slice(middle)];
  const vectors = await app.get(Embedder).embed(texts);
  const startMs = Date.now() - texts.length * MINUTE_MS;
  const ids: string[] = [];
  for (const [index, text] of texts.entries()) {
    const [vector, id] = [vectors[index], newId()];
    if (!vector) throw new Error(`There is no vector of "${text}".`);
    ids.push(id);
    await app.get(RememberService).remember(
      {
        id,
        text,
        context: '',
        userId,
        sessionId: null,
        role: 'user',
        receivedAtMs: startMs + index * MINUTE_MS,
        model: 'none',
        perplexity: null,
        avgLogprob: null,
        informationNats: null,
        contextual: false,
        plainPerplexity: null,
        vector,
        isReadable: true,
      },
      AbortSignal.timeout(TIME_LIMIT_MS),
    );
  }
  const recalled = await app.get(RecallService).recall(userId, pair.ask ?? pair.before);
  const found = new Set((recalled ?? []).map(({ memory }) => memory.id));
  const [older, newer] = [ids[0] ?? '', ids[middle + 1] ?? ''];
  const kept = await app.get(MemoryStore).get(userId, older);
  return {
    isLinked: kept?.supersededBy?.id === newer,
    isOlderRecalled: found.has(older),
    isNewerRecalled: found.has(newer),
  };
}
