/**
 * Ids of which a resend is recognised. Without a bound the record would outgrow the stream itself. It is counted and
 * not timed, because an append is resent after an outage of any length, in which nothing else was appended either.
 * Redis keeps 50,000 ids in about 7 MB. An older duplicate is stored twice and does no harm: the id is the memory's,
 * too.
 */
export const KNOWN_IDS = 50_000;

/** Dead letters that are kept, the newest. Without a bound a producer of garbage fills the store. */
export const MAX_DEAD_LETTERS = 10_000;

/** Characters of a dead letter's reason; a server's whole error page would be no easier to read. */
export const MAX_REASON_CHARACTERS = 2_000;
