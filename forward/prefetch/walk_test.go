package prefetch

import (
	"hither/forward/prefetch/golang"
	"hither/forward/prefetch/npm"
	"hither/forward/prefetch/oci"
)

// What the walks know besides is found at run time: here the compiler says that they have the methods for it.
var (
	_ interface {
		Walk
		informed
		guesser
		doubter
		exact
		hesitant
		patient
		steady
	} = golang.New("")
	_ interface {
		Walk
		exact
		patient
		expectant
		sized
		straying
	} = npm.New("")
	_ interface {
		Walk
		metered
	} = oci.New("")
)
