import type { UndiciWire } from './undici-wire.js';
import type { VorpalWire } from './wire.js';

/** How requests travel: connections of one wire are never taken by what travels on another. */
export class VorpalWires {
  constructor(
    /** For answers that a person waits for. */
    readonly chat: UndiciWire,
    /** Scoring, tokens and embeddings. */
    readonly work: VorpalWire,
    /** Small questions to the server: whether it is alive, its models, its metrics. */
    readonly control: VorpalWire,
  ) {}
}
