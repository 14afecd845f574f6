#!/usr/bin/env bash
# Writes a recording of thirty minutes to play with: four symbols, a trade
# every other second or so, with quotes, exchanges and a few bad rows.
LC_ALL=C awk 'BEGIN {
  srand(7)
  split("AAPL MSFT KO IBM", name, " "); split("187 412 61 300", price, " ")
  split("Q N P K", exchange, " ")
  print "time,symbol,price,size,bid,ask,exchange,condition"
  for (ms = 0; ms < 1800000; ms += 500) {
    i = 1 + int(rand() * 4)
    price[i] *= 1 + (rand() - 0.5) / 2000
    half = price[i] * (1 + rand()) / 20000
    p = sprintf("%.2f", price[i])
    if (ms % 300000 == 299500) p = "-1"
    at = sprintf("2026-11-20T%02d:%02d:%02d.%03dZ", 14 + int((30 + ms / 60000) / 60), int(30 + ms / 60000) % 60, int(ms / 1000) % 60, ms % 1000)
    printf "%s,%s,%s,%d,%.4f,%.4f,%s,\n", at, name[i], p, 100 * (1 + int(rand() * 5)), price[i] - half, price[i] + half, exchange[1 + int(rand() * 4)]
  }
}'
