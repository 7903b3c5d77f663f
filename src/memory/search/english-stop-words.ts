/** English stop words. Negations such as `not` carry meaning, and `may` is a month, so they are not among them. */
export const ENGLISH_STOP_WORDS: ReadonlySet<string> = new Set(
  (
    'a about above after again all also am an and any are as at be because been before being below between both ' +
    'but by can could did do does doing done down during each few for from further get got had has have having ' +
    'he her here hers herself him himself his how i if in into is it its itself just let me might more most ' +
    'must my myself of off on once only or other our ours ourselves out over own please same shall she should ' +
    'so some such than that the their theirs them themselves then there these they this those through to too ' +
    'under until up upon us very was we were what when where which while who whom whose why will with would yes ' +
    'you your yours yourself yourselves'
  ).split(' '),
);
