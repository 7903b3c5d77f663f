import { wordsOf } from '../search/lexical-text.js';
import { exchangeLetters, mainScriptOf, scriptOf } from './writing-systems.js';

/** Unit vectors of texts. */
type EmbedTexts = (texts: readonly string[], signal?: AbortSignal) => Promise<readonly Float32Array[]>;

// No embedder in use is without its letters.
const ALWAYS_READABLE = 'Latin';
// If a word and the same word with other letters have at least this cosine, both are unknown tokens to the model.
// Scripts that it reads have 0.1 to 0.9.
const SAME_TO_THE_MODEL = 0.97;
// It need not know every letter: MiniLM's vocabulary has some of many scripts, and what lacks one is an unknown word.
const MOST_UNKNOWN = 1 / 4;
// More tell no more, and a request has its price.
const MOST_WORDS = 16;

/**
 * Finds which scripts an embedder can read, once for each script and process. It embeds words of a text in that script
 * and the same words with their letters exchanged. If many pairs have nearly equal vectors, vectors of that script say
 * nothing.
 */
export class ReadableScripts {
  // At most one for each script there is.
  private readonly known = new Map<string, boolean>();
  private readonly asked = new Map<string, Promise<void>>();

  constructor(private readonly embed: EmbedTexts) {}

  /** Whether the embedder can read a text, asking it where that is new. Never fails: what nobody knows is readable. */
  async isReadable(text: string, signal?: AbortSignal): Promise<boolean> {
    const script = mainScriptOf(text);
    if (script === undefined || script === ALWAYS_READABLE) return true;
    if (!this.known.has(script)) await this.ask(script, text, signal);
    return this.known.get(script) ?? true;
  }

  /** The same without asking. */
  isKnownAsReadable(text: string): boolean {
    const script = mainScriptOf(text);
    return script === undefined || (this.known.get(script) ?? true);
  }

  /** One request, whoever else waits for the answer. */
  private ask(script: string, text: string, signal: AbortSignal | undefined): Promise<void> {
    const begun = this.asked.get(script) ?? this.compare(script, text, signal).finally(() => this.asked.delete(script));
    this.asked.set(script, begun);
    return begun;
  }

  private async compare(script: string, text: string, signal: AbortSignal | undefined): Promise<void> {
    const words = [...new Set(wordsOf(text).map((word) => word.text))]
      .filter((word) => scriptOf(word) === script)
      .slice(0, MOST_WORDS);
    if (words.length === 0) return;
    try {
      const vectors = await this.embed([...words, ...words.map(exchangeLetters)], signal);
      const unknown = words.filter((_, index) => isSame(vectors[index], vectors[index + words.length]));
      this.known.set(script, unknown.length / words.length < MOST_UNKNOWN);
    } catch {
      // The caller's own request says what is wrong with the embedder, and the next text of the script asks again.
    }
  }
}

function isSame(a: Float32Array | undefined, b: Float32Array | undefined): boolean {
  if (!a || !b) return false;
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0) >= SAME_TO_THE_MODEL;
}
