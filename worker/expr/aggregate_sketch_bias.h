// How far HyperLogLog's raw estimate is off where few registers are empty. Inside worker/expr.
#ifndef FORESET_EXPR_AGGREGATE_SKETCH_BIAS_H
#define FORESET_EXPR_AGGREGATE_SKETCH_BIAS_H

// Mean bias of the six measurements nearest to the raw estimate, as HyperLogLog++ (and Spark) has it. precision: from 4
// to 18.
double aggregate_sketch_bias(double raw, unsigned precision);

#endif
