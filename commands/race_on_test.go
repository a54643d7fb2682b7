//go:build race

package commands

const raceDetected = true
