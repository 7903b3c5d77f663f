import { exchangeLetters, mainScriptOf } from './scripts.js';

/** Unit vectors of texts. */
type EmbedTexts = (texts: readonly string[], signal?: AbortSignal) => Promise<readonly Float32Array[]>;

// No embedder in use is without its letters.
const ALWAYS_READABLE = 'Latin';
// Two texts of other letters are as good as the same to a model that takes them for unknown ones. Those that a model reads
// have 0.3 to 0.9 here.
const SAME_TO_THE_MODEL = 0.97;

/**
 * Which scripts an embedder can read. It is asked once for each and process, by a text in that script and the same with its
 * letters exchanged. Where it cannot tell them apart its vectors of such texts say nothing.
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
    const [before, after] = exchangeLetters(text, script);
    if (before === after) return;
    try {
      const [a, b] = await this.embed([before, after], signal);
      if (a && b) this.known.set(script, dot(a, b) < SAME_TO_THE_MODEL);
    } catch {
      // The caller's own request says what is wrong with the embedder, and the next text of the script asks again.
    }
  }
}

const dot = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
