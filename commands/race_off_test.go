//go:build !race

package commands

const raceDetected = false
