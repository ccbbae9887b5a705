// Package e2e drives the built program with real clients (go, npm, skopeo, curl, dig …) in a false world: world_false_test.go
// tells what stands in it. It has nothing but tests.
//
//	go test ./cmd/hither/e2e -run TestREADME
package e2e
