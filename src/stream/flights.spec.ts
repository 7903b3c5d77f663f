import { Flights, type Flight } from './flights.js';

const flightOf = (id: number): Flight => ({
  entry: {
    id: String(id),
    message: 'hello',
    timestampMs: 0,
    userId: 'u',
    sessionId: 's',
    role: 'user',
    context: '',
  },
  characters: 5,
  landed: Promise.resolve(),
  isSpooled: false,
  isOver: false,
});

describe(Flights.name, () => {
  const begin = (sut: Flights, count: number): Flight[] => {
    const flights = Array.from({ length: count }, (_, id) => flightOf(id));
    for (const flight of flights) sut.begin(flight);
    return flights;
  };
  const idsIn = (flights: readonly Flight[]): string[] => flights.map(({ entry }) => entry.id);

  it('names those that are not over in their order, whatever the order of their ends', () => {
    const sut = new Flights();
    const flights = begin(sut, 6);

    for (const index of [3, 0, 4]) sut.end(flights[index]!);

    expect(idsIn(sut.current())).toEqual(['1', '2', '5']);
    expect(sut.count).toBe(3);
  });

  it('keeps what is over behind one that is not, and nothing once that is over as well', () => {
    const sut = new Flights();
    const [first, ...others] = begin(sut, 1_000);

    for (const flight of others) sut.end(flight);
    expect([sut.count, sut.length]).toEqual([1, 1_000]);

    sut.end(first!);
    expect([sut.count, sut.length, sut.current()]).toEqual([0, 0, []]);
  });

  it('counts the same however many pass through', () => {
    const sut = new Flights();
    const underWay: Flight[] = [];
    for (let id = 0; id < 5_000; id++) {
      const flight = flightOf(id);
      underWay.push(flight);
      sut.begin(flight);
      if (underWay.length > 40) sut.end(underWay.splice(id % 40, 1)[0]!);
      expect(sut.count).toBe(underWay.length);
    }
    expect(idsIn(sut.current())).toEqual(idsIn(underWay));
  });
});
