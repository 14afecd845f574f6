#!/usr/bin/env python3
"""Writes ticks of a market that can be learned a little, as CSV.

Each symbol gives back part of what it did in the last minutes, beyond what the
whole market does: out of 1,000 forecasts of a direction some 20 to 40 more are
right than a coin's. The same seed gives the same file.
"""
import math
import random
import sys
from datetime import datetime, timedelta, timezone

SYMBOLS = """AAPL MSFT NVDA AMZN GOOGL META AVGO TSLA JPM WMT LLY V MA ORCL XOM COST PG HD NFLX JNJ
BAC ABBV CRM KO CVX MRK CSCO WFC PEP ABT LIN MCD AMD DIS IBM GE PM CAT ISRG TXN""".split()
MINUTES = 390
START = datetime(2026, 11, 20, 14, 30, tzinfo=timezone.utc)


def main():
    draw = random.Random(1)
    price = {s: draw.uniform(30, 600) for s in SYMBOLS}
    own = dict.fromkeys(SYMBOLS, 0.0)
    print("symbol,time,price,size,bid,ask")
    for minute in range(MINUTES):
        whole = draw.gauss(0, 0.0004)
        for k, symbol in enumerate(SYMBOLS):
            r = draw.gauss(0, 0.0008) - 0.1 * own[symbol]
            own[symbol] = 0.8 * own[symbol] + r
            price[symbol] *= math.exp(r + whole)
            at = START + timedelta(minutes=minute, seconds=20 + k * 0.5)
            p = round(price[symbol], 2)
            print(f"{symbol},{at:%Y-%m-%dT%H:%M:%S.%fZ},{p:.2f},{draw.randrange(1, 20) * 100},{p - 0.01:.2f},{p + 0.01:.2f}")


if __name__ == "__main__":
    sys.exit(main())
