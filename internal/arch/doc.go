// Package arch keeps the shape of the project. Its one idea: what a reader is
// promised about the code (who imports whom, how long things get, what is
// explained) is tested like everything else. It holds tests alone.
package arch
