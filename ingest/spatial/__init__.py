"""Files of meshes and of volumes, whatever they are of."""
