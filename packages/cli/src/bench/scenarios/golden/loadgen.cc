// Writes loadgen.json: LoadGen's own answers, from its source and libstdc++.
//
//   git clone https://github.com/mlcommons/inference && git -C inference checkout b66003e1   (LoadGen 6.0.17)
//   g++ -O2 -std=c++17 -I inference/loadgen loadgen.cc inference/loadgen/early_stopping.cc -o loadgen
//   ./loadgen > loadgen.json
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <random>

#include "early_stopping.h"

// Arrival times of the Server scenario, as GenerateQueries of loadgen.cc makes them.
void arrivals(uint64_t seed, double qps) {
  std::mt19937 generator(seed);
  std::exponential_distribution<> distribution(qps);
  std::chrono::nanoseconds timestamp(0);
  std::printf("    { \"seed\": \"%llu\", \"qps\": %g, \"nanoseconds\": [", (unsigned long long)seed, qps);
  for (int i = 0; i < 12; i++) {
    std::printf("%s%lld", i ? ", " : "", (long long)timestamp.count());
    std::chrono::duration<double> seconds(distribution(generator));
    timestamp += std::chrono::duration_cast<std::chrono::nanoseconds>(seconds);
  }
  std::printf("] }");
}

int main() {
  std::printf("{\n  \"arrivals\": [\n");
  arrivals(16159082839903944936u, 100);
  std::printf(",\n");
  arrivals(7, 0.5);
  std::printf("\n  ],\n  \"minPassing\": [");
  mlperf::loadgen::MinPassingQueriesFinder find;
  bool isFirst = true;
  for (double percentile : {0.9, 0.97, 0.99, 0.999})
    for (int64_t over : {0, 1, 2, 3, 5, 10, 30, 100}) {
      long long passing = find(over, percentile, 0.0, 0.99);
      std::printf("%s\n    { \"percentile\": %g, \"over\": %lld, \"passing\": %lld }", isFirst ? "" : ",", percentile,
                  (long long)over, passing);
      isFirst = false;
    }
  std::printf("\n  ]\n}\n");
}
