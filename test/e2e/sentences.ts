/** Everyday sentences against four kinds of nonsense, five pairs a kind; written for this project. */
export const PAIRINGS: Readonly<Record<string, readonly { everyday: string; nonsense: string }[]>> = {
  'the same words, scrambled': [
    {
      everyday: 'I went to the store to buy some milk and bread.',
      nonsense: 'Bread to milk the and some I store buy to went.',
    },
    {
      everyday: 'My sister lives in a small house near the river.',
      nonsense: 'River a the in my near house small lives sister.',
    },
    {
      everyday: 'We are going to have dinner at seven tonight.',
      nonsense: 'Seven dinner have tonight going at to are we.',
    },
    { everyday: 'She takes the bus to work every morning.', nonsense: 'Morning bus the takes work she every to.' },
    {
      everyday: 'Please close the door when you leave the room.',
      nonsense: 'Leave door you room the close when please the.',
    },
  ],
  'grammatical and absurd': [
    {
      everyday: 'The children are playing in the park with their friends.',
      nonsense: 'The staplers are marinating in the verdict with their glaciers.',
    },
    {
      everyday: 'He drinks a cup of coffee every day before work.',
      nonsense: 'He galvanizes a parsnip of thunder every hinge before lint.',
    },
    {
      everyday: 'It is raining outside, so take an umbrella with you.',
      nonsense: 'It is zipping sideways, so ferment an adverb with plywood.',
    },
    {
      everyday: 'The dog is sleeping on the couch in the living room.',
      nonsense: 'The decimal is whispering on the mustard in the burglar kettle.',
    },
    {
      everyday: 'Thank you very much for your help with this project.',
      nonsense: 'Thank moss very nickel for your turnip with this eyelid.',
    },
  ],
  'unrelated words': [
    {
      everyday: 'I have been working at this company for five years.',
      nonsense: 'Walnut diagonal hence tractor purple seldom gravy invoice.',
    },
    {
      everyday: 'The weather is nice today and the sun is shining.',
      nonsense: 'Elbow syntax copper lasagna orbit whistle ledger.',
    },
    {
      everyday: 'We are planning a trip to the mountains next summer.',
      nonsense: 'Candle seventeen mitten parliament squid velocity jam.',
    },
    {
      everyday: 'My favorite food is pizza with cheese and tomatoes.',
      nonsense: 'Harpoon tuesday gravel tooth ambassador noodle prism.',
    },
    {
      everyday: 'He is reading a book about the history of the United States.',
      nonsense: 'Zebra mortgage blinking vinegar trapezoid sock choir.',
    },
  ],
  'no words at all': [
    { everyday: 'Can you tell me how to get to the train station?', nonsense: 'Xq vlorp zindle frabt mokkwe jiptar?' },
    { everyday: 'I would like to learn how to play the guitar.', nonsense: 'Gr blif snarkt wub pholque dradge vimp.' },
    { everyday: 'The meeting has been moved to Monday morning.', nonsense: 'Qwzx kjhg plmnb vtrd yuiqo bnmcx.' },
    {
      everyday: 'Let me know if you have any questions about this.',
      nonsense: 'Zorp quandle ifflic bru vestoo harkint.',
    },
    { everyday: 'They watched a movie together last night.', nonsense: 'Fnord bliggish tewp saronk uggle prax.' },
  ],
};

export { areaUnderCurve } from '../../bench/figures/area-under-curve.js';
