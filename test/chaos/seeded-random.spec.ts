import { SeededRandom } from './seeded-random.js';

const drawn = (random: SeededRandom) => Array.from({ length: 20 }, () => random.integer(1, 1_000));

describe(SeededRandom.name, () => {
  it('draws the same numbers from the same seed, and others from another', () => {
    expect(drawn(new SeededRandom(7))).toEqual(drawn(new SeededRandom(7)));
    expect(drawn(new SeededRandom(7))).not.toEqual(drawn(new SeededRandom(8)));
  });

  it('draws every integer of a range, its ends included, and nothing else', () => {
    const random = new SeededRandom(7);
    const seen = new Set(Array.from({ length: 200 }, () => random.integer(3, 6)));
    expect([...seen].sort()).toEqual([3, 4, 5, 6]);
  });

  it('gives each part of a run chance of its own, whatever others have drawn', () => {
    const [used, fresh] = [new SeededRandom(7), new SeededRandom(7)];
    drawn(used);
    expect(drawn(used.fork('kills'))).toEqual(drawn(fresh.fork('kills')));
    expect(drawn(fresh.fork('kills'))).not.toEqual(drawn(fresh.fork('messages')));
  });

  it('shuffles: all values, in orders that the seed determines', () => {
    const values = [1, 2, 3, 4, 5, 6, 7, 8];
    const orders = [1, 2, 3].map((seed) => new SeededRandom(seed).shuffled(values));
    for (const order of orders) expect(order.toSorted()).toEqual(values);
    expect(new Set(orders.map(String)).size).toBe(3);
    expect(new SeededRandom(1).shuffled(values)).toEqual(orders[0]);
  });
});
