"""Writes power.json: private operations by the textbook, for numbers that try the carries.

    python3 power.py > power.json

The formula asks of p and q only that they be odd and have no factor in common.
"""
import json, math, random

random.seed(50)  # the file is the same each time


def factors(half):
    top = 1 << half
    odd = lambda: random.getrandbits(half) | 1 | top >> 1
    yield "largest", top - 1, top - 3
    yield "smallest", top // 2 + 1, top // 2 + 3
    yield "far apart", top - 1, top // 2 + 1
    yield "far apart, the other way", top // 2 + 1, top - 1
    yield "digits of ones", top - 1 - (1 << (half - 53)), top - (1 << 104) - 1
    yield "digits of zeros", top // 2 + (1 << 104) + 1, top // 2 + (1 << 520) + 1
    yield "random", odd(), odd()


def messages(p, q):
    n = p * q
    return {"0": 0, "1": 1, "n-1": n - 1, "p": p, "q": q, "p(q-1)": p * (q - 1), "ones": (1 << n.bit_length() - 1) - 1, "random": random.randrange(n)}


def exponents(half, p, q):
    return {"random": (random.randrange(p), random.randrange(q)), "zero": (0, 0), "one": (1, 1),
            "ones": ((1 << half) - 1, (1 << half) - 1), "sparse": (1 << (half - 1), 1 << 500)}


def power(p, q, dp, dq, c):
    mp, mq = pow(c % p, dp, p), pow(c % q, dq, q)
    return mq + q * ((mp - mq) * pow(q, -1, p) % p)


def main():
    keys = []
    for half in (1024, 1536, 2048):
        for name, p, q in factors(half):
            step = -2 if q >> (half - 2) & 1 else 2
            while math.gcd(p, q) != 1:
                q += step
            assert p.bit_length() == half == q.bit_length()
            for kind, (dp, dq) in exponents(half, p, q).items():
                if kind != "random" and name != "largest" or half > 1024 and (kind != "random" or name.startswith("far")):
                    continue
                rows = [{"message": f"{c:x}", "power": f"{power(p, q, dp, dq, c):x}"} for what, c in messages(p, q).items()
                        if half == 1024 and kind == "random" or what in ("0", "n-1", "p", "random")]
                keys.append({"name": f"{2*half}, factors: {name}, exponents: {kind}", "half": half, "p": f"{p:x}", "q": f"{q:x}",
                             "dp": f"{dp:x}", "dq": f"{dq:x}", "qinv": f"{pow(q, -1, p):x}", "powers": rows})
    print("[" + ",\n".join(json.dumps(k) for k in keys) + "]")


main()
