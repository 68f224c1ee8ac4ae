//go:build !race

package annaltest

// Raced says whether the race detector looks on.
const Raced = false
