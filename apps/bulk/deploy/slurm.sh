#!/bin/bash
# A job in 8 tasks without a broker, on a folder that all nodes share: sbatch slurm.sh
# A task that is killed goes on where it stopped if it is submitted again.
#SBATCH --job-name=residual-bulk
#SBATCH --array=0-7
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --requeue
set -euo pipefail
exec npx residual bulk run --input photos/ --weights resnet50 --out out/ --workers "$SLURM_CPUS_PER_TASK" --shard auto/8
