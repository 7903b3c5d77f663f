import type { INestApplicationContext } from '@nestjs/common';
import { readSettings, Settings } from '../config/index.js';
import { Embedder, type EmbeddedMemory, MemoryStore, newMemory, RememberService } from '../memory/index.js';
import { ProgressBar } from '../observability/index.js';
import { contextOf, type Turn } from '../sessions/index.js';
import { newId } from '../shared/index.js';
import { informationOf, PerplexityScorer, type TextScore, VorpalClient } from '../vorpal/index.js';
import { type Conversation, type ConversationTurn, randomFrom, recallAt } from './locomo.js';
import { round } from './report.js';

// The worker's own batch: what is measured is what it would do.
const BATCH = 10;
const EMBEDDINGS_PER_CALL = 64;
// A batch takes seconds; one that takes minutes never ends.
const SCORING_LIMIT_MS = 600_000;
export const DEPTHS = [5, 10, 20] as const;
const KEEP_RATES = [0.25, 0.5, 0.75];
// The mean of several draws; one alone is off by two points of recall either way.
const RANDOM_SEEDS = [1, 2, 3, 4, 5];
// Category 5 asks for what the conversation does not answer; its evidence is what the question was made from.
const ADVERSARIAL = 5;

interface TurnInContext extends ConversationTurn {
  /** What is kept: who said it, when, and what. */
  readonly memoryText: string;
  readonly context: string;
}

interface PreparedTurn extends TurnInContext {
  readonly score: TextScore;
  readonly vector: Float32Array;
}

interface PreparedConversation {
  readonly name: string;
  readonly turns: readonly PreparedTurn[];
  readonly questions: Conversation['questions'];
  readonly questionVectors: readonly Float32Array[];
}

export interface PolicyResult {
  readonly name: string;
  readonly kept_share: number;
  readonly recall: Readonly<Record<string, number>>;
  /** Over the questions that the conversation answers. */
  readonly recall_answerable: Readonly<Record<string, number>>;
  /** Evidence turns that a search of the shadow buffer finds among the first 20 and a search of the memories does not. */
  readonly found_in_shadow: number | null;
  readonly lm_tokens_per_turn: number;
  readonly seconds: number;
}

/** Fills the store for one user and says which memory is which turn. */
type Fill = (userId: string, conversation: PreparedConversation) => Promise<Map<string, string>>;

/** Has policies decide what to keep of conversations, and looks for the evidence of each question in what they kept. */
export class LocomoEvaluation {
  prepared: readonly PreparedConversation[] = [];
  tokensPerTurn = 0;
  model = '';
  private preparationSeconds = 0;
  private readonly store: MemoryStore;
  private users = 0;

  constructor(
    private readonly app: INestApplicationContext,
    private readonly environment: NodeJS.ProcessEnv,
  ) {
    this.store = app.get(MemoryStore);
  }

  /** Scores and embeds every turn once; all policies judge by the same numbers. */
  async prepare(conversations: readonly Conversation[]): Promise<void> {
    const startedAt = performance.now();
    const total = conversations.reduce((sum, { turns }) => sum + turns.length, 0);
    const bar = new ProgressBar('scoring turns', total);
    const prepared: PreparedConversation[] = [];
    for (const { name, turns, questions } of conversations) {
      const withContext = turns.map((turn, index) => this.placeInContext(turns, turn, index));
      const scores = await this.scoreTurns(withContext, bar);
      const vectors = await this.embed(withContext.map(({ memoryText }) => memoryText));
      prepared.push({
        name,
        turns: withContext.flatMap((turn, index): PreparedTurn[] => {
          const [score, vector] = [scores[index], vectors[index]];
          return score && vector ? [{ ...turn, score, vector }] : [];
        }),
        questions,
        questionVectors: await this.embed(questions.map(({ text }) => text)),
      });
    }
    bar.stop();
    this.prepared = prepared;
    this.tokensPerTurn = this.app.get(VorpalClient).scoringTokens / total;
    this.preparationSeconds = (performance.now() - startedAt) / 1_000;
  }

  async comparePolicies(): Promise<PolicyResult[]> {
    const everything = await this.evaluate('store everything', (user, conversation) =>
      this.keepAll(user, conversation.turns),
    );
    const results = [everything];
    const gates = [
      { name: 'surprise fixed', settings: { SURPRISE_MODE: 'fixed' } },
      ...KEEP_RATES.map((rate) => ({
        name: `surprise adaptive ${rate}`,
        settings: { SURPRISE_MODE: 'adaptive', SURPRISE_KEEP_RATE: String(rate) },
      })),
    ];
    const bar = new ProgressBar('comparing policies', gates.length);
    for (const { name, settings } of gates) {
      const gate = new RememberService(this.store, readSettings({ ...this.environment, ...settings }));
      const result = await this.evaluate(
        name,
        (user, conversation) => this.keepBySurprise(user, conversation, gate),
        true,
      );
      results.push(result, await this.random(result), await this.longestFirst(result));
      bar.advance();
    }
    bar.stop();
    return results;
  }

  private placeInContext(all: readonly ConversationTurn[], turn: ConversationTurn, index: number): TurnInContext {
    const before = all.slice(0, index).filter(({ session }) => session === turn.session);
    const turns = before.map(({ role, text, atMs }): Turn => ({ role, text, atMs, isPrivate: false }));
    const date = new Date(turn.atMs).toISOString().slice(0, 10);
    const context = contextOf(turns, turn.role, this.app.get(Settings).sessions);
    return { ...turn, memoryText: `${turn.speaker} (${date}): ${turn.text}`, context };
  }

  private async scoreTurns(turns: readonly TurnInContext[], bar: ProgressBar): Promise<TextScore[]> {
    const scores: TextScore[] = [];
    for (let start = 0; start < turns.length; start += BATCH) {
      const batch = turns.slice(start, start + BATCH);
      const inputs = batch.map(({ text, context }) => (context === '' ? { text } : { text, context, alsoPlain: true }));
      scores.push(
        ...(await this.app.get(PerplexityScorer).score(inputs, { signal: AbortSignal.timeout(SCORING_LIMIT_MS) })),
      );
      bar.advance(batch.length);
    }
    this.model = scores[0]?.model ?? this.model;
    return scores;
  }

  private async embed(texts: readonly string[]): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    for (let start = 0; start < texts.length; start += EMBEDDINGS_PER_CALL) {
      vectors.push(...(await this.app.get(Embedder).embed(texts.slice(start, start + EMBEDDINGS_PER_CALL))));
    }
    return vectors;
  }

  private async evaluate(name: string, fill: Fill, usesLanguageModel = false): Promise<PolicyResult> {
    const startedAt = performance.now();
    const run = ++this.users;
    let kept = 0;
    let shadow = 0;
    const found: string[][] = [];
    for (const conversation of this.prepared) {
      const user = `${run}/${conversation.name}`;
      const turnOf = await fill(user, conversation);
      kept += (await this.store.count(user)).memories;
      for (const [index, vector] of conversation.questionVectors.entries()) {
        const memories = await this.turnsFound(user, vector, turnOf, false);
        found.push(memories);
        const evidence = new Set(conversation.questions[index]?.evidence);
        const withShadow = usesLanguageModel ? await this.turnsFound(user, vector, turnOf, true) : [];
        shadow += withShadow.filter((id) => evidence.has(id) && !memories.includes(id)).length;
      }
    }
    const turns = this.prepared.reduce((sum, conversation) => sum + conversation.turns.length, 0);
    const seconds = (performance.now() - startedAt) / 1_000 + (usesLanguageModel ? this.preparationSeconds : 0);
    return {
      name,
      kept_share: round(kept / turns, 4),
      ...this.recalls(found),
      found_in_shadow: usesLanguageModel ? shadow : null,
      lm_tokens_per_turn: usesLanguageModel ? round(this.tokensPerTurn, 1) : 0,
      seconds: round(seconds, 1),
    };
  }

  private async turnsFound(
    user: string,
    vector: Float32Array,
    turnOf: ReadonlyMap<string, string>,
    includeShadow: boolean,
  ): Promise<string[]> {
    const options = { limit: Math.max(...DEPTHS), minSimilarity: -1, includeShadow };
    const found = await this.store.search(user, vector, options);
    return found.map(({ memory }) => turnOf.get(memory.id) ?? '');
  }

  private recalls(found: readonly (readonly string[])[]): Pick<PolicyResult, 'recall' | 'recall_answerable'> {
    const all = this.prepared.flatMap(({ questions }) => questions);
    const answerable = all.flatMap(({ category }, index) => (category === ADVERSARIAL ? [] : [index]));
    const table = (indices: readonly number[]) =>
      Object.fromEntries(
        DEPTHS.map((depth) => {
          const questions = indices.flatMap((index) => all[index] ?? []);
          const share = recallAt(
            depth,
            questions,
            indices.map((index) => found[index] ?? []),
          );
          return [String(depth), round(share, 4)];
        }),
      );
    return { recall: table([...all.keys()]), recall_answerable: table(answerable) };
  }

  private async keepBySurprise(
    userId: string,
    { turns }: PreparedConversation,
    gate: RememberService,
  ): Promise<Map<string, string>> {
    const turnOf = new Map<string, string>();
    for (const turn of turns) {
      const id = newId();
      turnOf.set(id, turn.id);
      await gate.remember({
        id,
        text: turn.memoryText,
        userId,
        sessionId: String(turn.session),
        role: turn.role,
        receivedAtMs: turn.atMs,
        model: turn.score.model,
        perplexity: turn.score.perplexity,
        avgLogprob: turn.score.avgLogprob,
        informationNats: informationOf(turn.score),
        contextual: turn.context !== '',
        plainPerplexity: turn.score.plain?.perplexity ?? null,
        vector: turn.vector,
      });
    }
    return turnOf;
  }

  private async keepAll(userId: string, turns: readonly PreparedTurn[]): Promise<Map<string, string>> {
    const memories = turns.map((turn): EmbeddedMemory => ({
      memory: newMemory(userId, { text: turn.memoryText, role: turn.role, createdAtMs: turn.atMs }),
      vector: turn.vector,
    }));
    await this.store.put(userId, memories);
    return new Map(memories.map(({ memory }, index) => [memory.id, turns[index]?.id ?? '']));
  }

  /** Keeps as much as `gate` did, the longest turns of each conversation. */
  private longestFirst(gate: PolicyResult): Promise<PolicyResult> {
    return this.evaluate(`longest first, as much as ${gate.name}`, (user, { turns }) => {
      const byLength = turns.toSorted((a, b) => b.text.length - a.text.length);
      return this.keepAll(user, byLength.slice(0, Math.round(gate.kept_share * turns.length)));
    });
  }

  /** Keeps as much as `gate` did, at random; the mean of several draws. */
  private async random(gate: PolicyResult): Promise<PolicyResult> {
    const name = `random, as much as ${gate.name}`;
    const draws: PolicyResult[] = [];
    for (const seed of RANDOM_SEEDS) {
      const random = randomFrom(seed);
      draws.push(
        await this.evaluate(name, (user, { turns }) => {
          const shuffled = turns.map((turn) => ({ turn, key: random() })).sort((a, b) => a.key - b.key);
          const count = Math.round(gate.kept_share * turns.length);
          return this.keepAll(
            user,
            shuffled.slice(0, count).map(({ turn }) => turn),
          );
        }),
      );
    }
    return meanOf(draws);
  }
}

function meanOf(results: readonly PolicyResult[]): PolicyResult {
  const [first] = results;
  if (!first) throw new RangeError('There is no mean of nothing.');
  const mean = (read: (result: PolicyResult) => number) =>
    round(results.reduce((sum, result) => sum + read(result), 0) / results.length, 4);
  const table = (field: 'recall' | 'recall_answerable') =>
    Object.fromEntries(Object.keys(first[field]).map((depth) => [depth, mean((result) => result[field][depth] ?? 0)]));
  return {
    ...first,
    kept_share: mean(({ kept_share: share }) => share),
    recall: table('recall'),
    recall_answerable: table('recall_answerable'),
    seconds: round(
      mean(({ seconds }) => seconds),
      1,
    ),
  };
}
